"""A launch file starts a thermal camera by name, and the node listens to what its driver publishes."""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from support import ROOT

from distillmatch_ros.images.encodings import is_encoding

CAMERAS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "config/cameras.yaml").read_text())
DRIVERS = {"usb_cam", "spinnaker_camera_driver", "depthai_ros_driver"}


@dataclass(frozen=True)
class Configuration:
    """Stands for LaunchConfiguration: the value that the user gave."""

    name: str

    def perform(self, context: dict[str, str]) -> str:
        return context[self.name]


class Made:
    """Stands for any action of `launch`: keeps how it was made."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.arguments, self.options = arguments, options


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The launch file's names, with `launch` itself, which comes with a ROS installation, replaced."""
    for name, members in {
        "launch": ("LaunchContext", "LaunchDescription", "LaunchDescriptionEntity"),
        "launch.actions": ("DeclareLaunchArgument", "IncludeLaunchDescription", "OpaqueFunction"),
        "launch.launch_description_sources": ("PythonLaunchDescriptionSource",),
        "launch.substitutions": (),
        "launch_ros": (),
        "launch_ros.actions": ("Node",),
        "ament_index_python": (),
        "ament_index_python.packages": (),
    }.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, type(member, (Made,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    vars(sys.modules["launch.substitutions"])["LaunchConfiguration"] = Configuration
    vars(sys.modules["ament_index_python.packages"])["get_package_share_directory"] = lambda package: (
        str(ROOT) if package == "distillmatch_ros" else f"/opt/ros/jazzy/share/{package}"
    )
    return runpy.run_path(str(ROOT / "launch/camera.launch.py"))


def started(launch_file: dict[str, Any], **given: str) -> tuple[dict[str, str], Any]:
    """Arguments of the node's launch file, and the driver's action."""
    described = launch_file["generate_launch_description"]()
    (start,) = (each for each in described.arguments[0] if type(each).__name__ == "OpaqueFunction")
    values = {name: default or "" for name, (default, _) in launch_file["ARGUMENTS"].items()}
    fusion, driver = start.options["function"]({**values, **given})
    assert fusion.arguments[0].arguments[0] == str(ROOT / "launch/fusion.launch.py")
    return dict(fusion.options["launch_arguments"]), driver


@pytest.mark.parametrize("name", CAMERAS)
def test_the_node_listens_to_the_driver(launch_file: dict[str, Any], name: str) -> None:
    passed, driver = started(launch_file, camera=name, device="abc", rgb="/camera/image")
    assert passed["rgb"] == "/camera/image"
    camera = CAMERAS[name]
    if "launch" in camera:
        assert driver.arguments[0].arguments[0].endswith(f"{camera['package']}/launch/{camera['launch']}")
        assert dict(driver.options["launch_arguments"])[camera["device"]] == "abc"
        assert passed["thermal"] == camera["image"]
        return
    assert (driver.options["package"], driver.options["executable"]) == (
        camera["package"],
        camera["executable"],
    )
    assert driver.options["parameters"] == [{**camera["parameters"], camera["device"]: "abc"}]
    namespace = driver.options["namespace"]
    assert passed["thermal"] in (f"{namespace}/image_raw", f"{namespace}/{driver.options['name']}/image_raw")


def test_a_device_that_is_not_named_is_left_to_the_driver(launch_file: dict[str, Any]) -> None:
    _, driver = started(launch_file, camera="boson")
    assert "video_device" not in driver.options["parameters"][0]


def test_unknown_camera_names_those_there_are(launch_file: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'bosun'.*boson, lepton"):
        started(launch_file, camera="bosun")


def test_a_file_of_the_users_own_counts(launch_file: dict[str, Any], tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"mine": {**CAMERAS["boson"], "image": "/mine/image"}}))
    passed, _ = started(launch_file, camera="mine", cameras_file=str(own))
    assert passed["thermal"] == "/mine/image"


@pytest.mark.parametrize("name", CAMERAS)
def test_a_camera_is_described_completely(name: str) -> None:
    camera = CAMERAS[name]
    assert camera.keys() - {"launch"} in (
        {"package", "executable", "device", "parameters", "image", "camera_info", "encoding"},
        {"package", "device", "parameters", "image", "camera_info", "encoding"},
    )
    assert camera["package"] in DRIVERS
    assert is_encoding(camera["encoding"])
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    assert f"| `{name}` |" in page
