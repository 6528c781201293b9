from support.ros_fixtures import active, network, start, transport

__all__ = ["active", "network", "start", "transport"]
