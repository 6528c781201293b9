"""Starts a thermal camera and the node; the visible camera's driver is started by its own launch file.

ros2 launch distillmatch_ros camera.launch.py camera:=boson device:=/dev/video2 rgb:=/camera/color/image_raw
"""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = Path(get_package_share_directory("distillmatch_ros"))
NAMESPACE = "/thermal_camera"

ARGUMENTS = {
    "camera": (
        None,
        "Thermal camera: a name in cameras_file, such as boson, lepton, spinnaker or oak_thermal.",
    ),
    "device": ("", "Its device, such as /dev/video2, or its serial number; by default the driver's choice."),
    "cameras_file": (str(SHARE / "config" / "cameras.yaml"), "Cameras: a copy of config/cameras.yaml."),
    "params_file": (str(SHARE / "config" / "fusion.yaml"), "Parameters: a copy of config/fusion.yaml."),
    "rgb": ("rgb/image", "Topic of the visible camera's images."),
    "rgb_info": ("rgb/camera_info", "Topic of the visible camera's CameraInfo."),
}
PASSED_ON = ("params_file", "rgb", "rgb_info")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    cameras = yaml.safe_load(Path(value["cameras_file"]).read_text())
    if value["camera"] not in cameras:
        raise ValueError(
            f"camera {value['camera']!r} is not in {value['cameras_file']}: {', '.join(cameras)}"
        )
    camera = cameras[value["camera"]]
    topics = {"thermal": camera["image"], "thermal_info": camera["camera_info"]}
    fusion = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "fusion.launch.py")),
        launch_arguments=[
            *((name, value[name]) for name in PASSED_ON),
            *(
                (name, f"{NAMESPACE}/{topic}".replace(f"{NAMESPACE}//", "/"))
                for name, topic in topics.items()
            ),
        ],
    )
    return [fusion, _driver(camera, value["device"])]  # the node first, since it sets the transport profile


def _driver(camera: dict, device: str) -> LaunchDescriptionEntity:
    settings = {**camera["parameters"], **({camera["device"]: device} if device else {})}
    if "launch" in camera:
        share = Path(get_package_share_directory(camera["package"]))
        return IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(share / "launch" / camera["launch"])),
            launch_arguments=[(name, str(each)) for name, each in settings.items()],
        )
    return Node(
        package=camera["package"],
        executable=camera["executable"],
        name="driver",
        namespace=NAMESPACE,
        parameters=[settings],
        output="screen",
    )
