"""Real nodes; without ROS 2 for Python, modules that import it are left out."""

import re
from importlib.util import find_spec
from pathlib import Path

from support.ros_fixtures import active, network, start, transport

__all__ = ["active", "network", "start", "transport"]

IMPORTS_ROS = re.compile(r"^(from|import) (rcl\w+|\w+_msgs|std_srvs)\b", re.MULTILINE)
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if find_spec("rclpy") is None and IMPORTS_ROS.search(path.read_text())
]
