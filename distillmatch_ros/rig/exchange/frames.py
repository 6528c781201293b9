"""The pose for ROS's tree of frames: a joint of a URDF, and a line that starts static_transform_publisher.

Both say where the thermal camera is in the visible camera's optical frame (REP 103: z forward, x right).
"""

import numpy as np

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.model import RigModel

RGB_FRAME, THERMAL_FRAME = "rgb_optical_frame", "thermal_optical_frame"


def urdf_joint(rig: RigModel) -> str:
    """A fixed joint from the RGB camera's optical frame to the thermal one, metres and radians."""
    pose = rig.T_visible_thermal
    return (
        f'<link name="{THERMAL_FRAME}"/>\n'
        f'<joint name="{THERMAL_FRAME}_joint" type="fixed">\n'
        f'  <parent link="{RGB_FRAME}"/>\n'
        f'  <child link="{THERMAL_FRAME}"/>\n'
        f'  <origin xyz="{_joined(pose.translation)}" rpy="{_joined(roll_pitch_yaw(pose.rotation))}"/>\n'
        "</joint>\n"
    )


def static_transform(rig: RigModel) -> str:
    """A shell command that publishes the pose on /tf_static."""
    pose = rig.T_visible_thermal
    x, y, z = pose.translation
    qx, qy, qz, qw = pose.quaternion
    return (
        "ros2 run tf2_ros static_transform_publisher "
        f"--x {x:.6g} --y {y:.6g} --z {z:.6g} --qx {qx:.8f} --qy {qy:.8f} --qz {qz:.8f} --qw {qw:.8f} "
        f"--frame-id {RGB_FRAME} --child-frame-id {THERMAL_FRAME}\n"
    )


def roll_pitch_yaw(rotation: Float64) -> Float64:
    """Angles (3,) about the fixed axes x, y, z in this order, radians, as URDF has them."""
    pitch = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.array([roll, pitch, yaw])


def _joined(values: Float64) -> str:
    return " ".join(f"{value:.8g}" for value in values)
