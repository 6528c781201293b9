"""Checks whether ROS 2 for Python is installed."""

from importlib import import_module

from distillmatch_ros.base.errors import DistillMatchError

MESSAGES = ("rcl_interfaces", "lifecycle_msgs", "sensor_msgs", "std_msgs", "diagnostic_msgs", "std_srvs")


def require_ros() -> None:
    """Import the packages of ROS that the node needs.

    Raises:
        DistillMatchError: one of them is not installed, or cannot be imported by this Python.
    """
    try:
        for name in ("rclpy", *MESSAGES):
            import_module(name)
    except ImportError as error:
        raise DistillMatchError(
            f"this needs ROS 2 for Python, which is not here ({str(error).splitlines()[0]}); source a ROS "
            "installation, such as /opt/ros/jazzy/setup.bash, or on Linux pip install 'distillmatch_ros[ros]'"
        ) from error


def middleware() -> str:
    """Name of the middleware (RMW) that rclpy loads.

    Raises:
        Exception: it cannot be loaded; rclpy's exceptions have no common base class.
    """
    from rclpy.utilities import get_rmw_implementation_identifier

    return str(get_rmw_implementation_identifier())
