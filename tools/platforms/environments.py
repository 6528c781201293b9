"""The platforms that `make platforms` tries, and those that it cannot try."""

from dataclasses import dataclass
from typing import Literal

ROOMS = ("base", "geometry", "images", "engines", "ros")
"""Folders of test/ with what depends on systems and libraries, and whose fast tests need only the package."""
SLOW_MACHINE = ("base", "geometry", "engines")
"""Those that an emulated processor gets through."""


@dataclass(frozen=True)
class Environment:
    """A platform to try.

    Attributes:
        name: of its files in the output folder.
        python: version of Python, major and minor.
        machine: processor, as `uname -m` says.
        debian: code name of a release of Debian to unpack into a folder; None for this machine's system.
        release: what the table calls that release.
        ros: extra of the package that brings ROS 2, where there are wheels.
        rooms: folders of test/ whose fast tests run.
    """

    name: str
    python: str
    machine: Literal["x86_64", "aarch64"] = "x86_64"
    debian: str | None = None
    release: str = "this machine"
    ros: Literal["ros", "ros-kilted"] | None = "ros"
    rooms: tuple[str, ...] = ROOMS


ENVIRONMENTS = (
    Environment("python3.11", "3.11"),
    Environment("debian13", "3.13", debian="trixie", release="Debian 13"),
    Environment(
        "debian12-arm64",
        "3.11",
        machine="aarch64",
        debian="bookworm",
        release="Debian 12",
        ros=None,
        rooms=SLOW_MACHINE,
    ),
    Environment("kilted", "3.11", ros="ros-kilted"),
    Environment("python3.10", "3.10"),
    Environment("python3.12", "3.12"),
)
"""In the order in which they are tried; homographies of the others are compared with those of the first."""


@dataclass(frozen=True)
class Untried:
    """A platform that no script can make: what to run there, and why it was not run."""

    platform: str
    command: str
    reason: str


UNTRIED = (
    Untried(
        "NVIDIA GPU, x86_64: PyTorch, ONNX Runtime CUDA, TensorRT",
        "make gpu-check",
        "no machine with a GPU; rehearsed on a CPU. One training run was on an H200, PyTorch 2.11",
    ),
    Untried(
        "Jetson, JetPack 6",
        "docker build -f deploy/Dockerfile.jetson .",
        "no Jetson; the calls of TensorRT were checked against its Python bindings 10.3, 10.16 and 11.4",
    ),
    Untried(
        "Ubuntu 22.04 and 24.04 with ROS 2 from apt",
        "docker build -f deploy/Dockerfile .",
        "needs ROS's own package archive; colcon's build command was run with the setuptools of both",
    ),
    Untried("Windows, macOS", "pip install .", "no such machine; code of the system is that of Linux"),
)
