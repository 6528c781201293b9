"""Plays a bag to the node, and shows the outputs in RViz.

ros2 launch distillmatch_ros replay.launch.py bag:=drive.mcap rgb:=/camera/image_raw thermal:=/flir/image_raw
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.conditions import IfCondition, UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("distillmatch_ros"))

ARGUMENTS = {
    "bag": (None, "Bag to play; ROS 2 (for ROS 1 see `distillmatch bag`)."),
    "rate": ("1.0", "Speed of the replay."),
    "loop": ("false", "Repeat the replay."),
    "rviz": ("true", "Show the outputs."),
    "params_file": (str(SHARE / "config" / "fusion.yaml"), "Parameters: a copy of config/fusion.yaml."),
    "rgb": ("rgb/image", "Topic of the visible camera's images."),
    "thermal": ("thermal/image", "Topic of the thermal camera's images."),
    "depth": ("", "Topic of depth images, or of points of a LiDAR; empty: no depth."),
}
PASSED_ON = ("params_file", "rgb", "thermal", "depth")


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    play = ["ros2", "bag", "play", value["bag"], "--clock", "--rate", value["rate"]]
    fusion = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "fusion.launch.py")),
        launch_arguments=[("use_sim_time", "true"), *((name, value[name]) for name in PASSED_ON)],
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(SHARE / "config" / "fusion.rviz")],
        parameters=[{"use_sim_time": True}],
        condition=IfCondition(value["rviz"]),
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            fusion,  # first, since it sets the transport profile for the following actions
            ExecuteProcess(cmd=play, output="screen", condition=UnlessCondition(value["loop"])),
            ExecuteProcess(cmd=[*play, "--loop"], output="screen", condition=IfCondition(value["loop"])),
            rviz,
        ]
    )
