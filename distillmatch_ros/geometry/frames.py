"""The frames of a robot and their poses to each other, as ROS's tf2 tells them: a tree."""

from distillmatch_ros.geometry.pose import Pose


class FrameTree:
    """Frames that do not move against each other. One thread at a time may add."""

    def __init__(self) -> None:
        """Start without frames."""
        self._above: dict[str, tuple[str, Pose]] = {}

    def add(self, parent: str, child: str, T_parent_child: Pose) -> None:  # noqa: N803  as poses are named
        """Add a frame, or replace what was known of it: a frame has one parent.

        Args:
            parent: name of the parent; leading slashes of ROS 1 are dropped.
            child: name of the frame, likewise.
            T_parent_child: takes points of the frame to its parent's.
        """
        self._above[child.lstrip("/")] = parent.lstrip("/"), T_parent_child

    def parent(self, name: str) -> str | None:
        """The parent of a frame, if it is known."""
        above = self._above.get(name.lstrip("/"))
        return None if above is None else above[0]

    def pose(self, target: str, source: str) -> Pose | None:
        """The pose that takes points of one frame to another; None if the tree does not connect them."""
        down, up = (self._to_ancestors(name.lstrip("/")) for name in (target, source))
        common = next((name for name in up if name in down), None)
        return None if common is None else down[common].inverse() @ up[common]

    def _to_ancestors(self, name: str) -> dict[str, Pose]:
        """For a frame and each of its ancestors, the nearest first, the pose that leads there."""
        found = {name: Pose.identity()}
        while (above := self._above.get(name)) is not None and above[0] not in found:
            found[above[0]] = above[1] @ found[name]
            name = above[0]
        return found
