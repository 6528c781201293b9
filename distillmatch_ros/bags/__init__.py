"""ROS bags in and out, without ROS."""
