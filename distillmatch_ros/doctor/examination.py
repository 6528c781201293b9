"""Examines an installation and its machine: what a bug report needs, with a remedy for what is not right."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from distillmatch_ros import __version__
from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.machine import processor, usable_cores
from distillmatch_ros.doctor import host, runtimes
from distillmatch_ros.doctor.finding import FAULT, NOTE, OK, Finding
from distillmatch_ros.ros.installation import middleware, require_ros
from distillmatch_ros.ros.transport import OWN_FILES, VARIABLES, variables_to_set

FASTDDS = "rmw_fastrtps_cpp"
LIBRARIES = ("numpy", "opencv-python-headless", "opencv-python", "onnxruntime", "rosbags", "pydantic")


@dataclass(frozen=True)
class Examination:
    """All findings about an installation.

    Attributes:
        verdict: the worst state among the findings: ``ok``, ``note`` or ``fault``.
        findings: one for each thing that was looked at.
    """

    verdict: Literal["ok", "note", "fault"]
    findings: list[Finding]


def examine(
    network: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    on_start: Callable[[str], None] = lambda name: None,
) -> Examination:
    """Look at everything; none of it raises an error.

    Args:
        network: the network's file; by default the shipped one.
        environment: environment of the process.
        on_start: called with the name of each part before it is examined.
    """
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": versions,
        "runtimes": lambda: runtimes.examine(network),
        "gpu": runtimes.gpu,
        "ros": lambda: ros(environment),
        "transport": lambda: transport(environment),
        "host": host.examine,
    }
    findings: list[Finding] = []
    for name, part in parts.items():
        on_start(name)
        try:
            findings.extend(part())
        except Exception as error:  # an examination goes on, whatever is broken
            findings.append(
                Finding(name, f"{type(error).__name__}: {error}", FAULT, "report this, with the whole page")
            )
    states = {finding.state for finding in findings}
    return Examination(FAULT if FAULT in states else NOTE if NOTE in states else OK, findings)


def versions() -> Iterator[Finding]:
    """Of the package, of Python and of the libraries that matter most."""
    yield Finding("distillmatch_ros", __version__)
    yield Finding("Python", f"{platform.python_version()}, {platform.platform()}")
    found = {name: installed for name in LIBRARIES if (installed := _installed(name))}
    yield Finding("libraries", ", ".join(f"{name} {installed}" for name, installed in found.items()))
    opencv = next((found[name] for name in LIBRARIES[1:3] if name in found), "")
    if opencv.startswith("5."):
        yield Finding(
            "OpenCV", opencv, FAULT, "cv_bridge needs OpenCV 4: pip install 'opencv-python-headless<5'"
        )
    yield Finding("processor", f"{processor()}, {usable_cores()} of {os.cpu_count()} cores usable")


def ros(environment: Mapping[str, str]) -> Iterator[Finding]:
    """The ROS installation, or the wheels in its place."""
    distribution, wheels = environment.get("ROS_DISTRO"), _installed("ros-rclpy")
    try:
        require_ros()
    except DistillMatchError as error:
        yield Finding("ROS 2", "not here: no node; images and bags need none", NOTE, str(error))
        return
    origin = (
        f"wheels, rclpy {wheels}"
        if wheels
        else f"/opt/ros or a workspace, {distribution or 'of unknown release'}"
    )
    yield Finding("ROS 2", f"{origin}; {middleware()}, domain {environment.get('ROS_DOMAIN_ID', '0')}")
    if wheels and environment.get("AMENT_PREFIX_PATH"):
        yield Finding(
            "ROS 2",
            f"the wheels of PyPI and a sourced installation ({distribution}) together",
            FAULT,
            "use one of them: a shell in which nothing is sourced, or an environment without ros-rclpy",
        )


def transport(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Which transport profile images take to the node."""
    if _installed("ros-rclpy") is None and "ROS_DISTRO" not in environment:
        return
    used = environment.get("RMW_IMPLEMENTATION", FASTDDS)
    if used != FASTDDS:
        yield Finding("transport", f"{used}; the shipped profile is FastDDS's", NOTE, host.SOCKET_BUFFERS)
        return
    to_set = variables_to_set(environment)
    if to_set:
        names = " and ".join(to_set)
        yield Finding(
            "transport",
            f"the shipped profile, set by this package's programs: {resources.locate('config/fastdds.xml')}",
            OK,
            f"camera drivers need it too: set {names} to this file",
        )
        return
    for name in VARIABLES:
        file = environment.get(name)
        if file and not Path(file).is_file():
            yield Finding(
                "transport", f"{name}={file}: no such file", FAULT, f"mend the path, or unset {name}"
            )
        elif file is not None:
            yield Finding(
                "transport", f"{name}={file}" if file else f"{name} is empty: FastDDS's own, 512 KB"
            )
    for name in (name for name in OWN_FILES if Path(name).exists()):
        yield Finding("transport", f"{Path(name).resolve()} in the working directory")
    if "FASTDDS_BUILTIN_TRANSPORTS" in environment:
        yield Finding("transport", f"FASTDDS_BUILTIN_TRANSPORTS={environment['FASTDDS_BUILTIN_TRANSPORTS']}")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
