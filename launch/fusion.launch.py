"""Starts the node on a robot, in addition to its camera drivers.

ros2 launch distillmatch_ros fusion.launch.py rgb:=/camera/color/image_raw thermal:=/flir/image_raw
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from distillmatch_ros.ros.transport import variables_to_set
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

CONFIG = Path(get_package_share_directory("distillmatch_ros")) / "config"

ARGUMENTS = {
    "namespace": ("", "Namespace of the node."),
    "params_file": (str(CONFIG / "fusion.yaml"), "Parameters: a copy of config/fusion.yaml."),
    "autostart": ("true", "Configure and activate at start; false if a lifecycle manager does that."),
    "log_level": ("info", "debug, info, warn or error."),
    "rgb": ("rgb/image", "Topic of the visible camera's images."),
    "thermal": ("thermal/image", "Topic of the thermal camera's images."),
    "depth": ("", "Topic of depth images, or of points of a LiDAR; empty: no depth."),
    "rgb_info": ("rgb/camera_info", "Topic of the visible camera's CameraInfo."),
    "thermal_info": ("thermal/camera_info", "Topic of the thermal camera's CameraInfo."),
    "depth_info": (
        "depth/camera_info",
        "Topic of a depth camera's CameraInfo, if it has a frame of its own.",
    ),
    "use_sim_time": ("false", "Use the time from /clock, as with bags."),
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            # Applies to camera drivers that a launch file starts after including this one, too.
            *(SetEnvironmentVariable(*variable) for variable in variables_to_set(os.environ).items()),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    has_depth = value["depth"].perform(context) != ""
    node = LifecycleNode(
        package="distillmatch_ros",
        executable="fusion_node",
        name="distillmatch",
        namespace=value["namespace"],
        parameters=[
            value["params_file"],
            {name: ParameterValue(value[name], value_type=bool) for name in ("autostart", "use_sim_time")},
            *([{"depth": True}] if has_depth else []),
        ],
        remappings=[
            ("rgb/image", value["rgb"]),
            ("rgb/camera_info", value["rgb_info"]),
            ("thermal/image", value["thermal"]),
            ("thermal/camera_info", value["thermal_info"]),
            *(
                [("depth/image", value["depth"]), ("depth/camera_info", value["depth_info"])]
                if has_depth
                else []
            ),
        ],
        arguments=["--ros-args", "--log-level", value["log_level"]],
        output="screen",
        emulate_tty=True,
    )
    return [node]
