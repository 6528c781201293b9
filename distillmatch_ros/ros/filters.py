"""Synchronisation by the package message_filters."""

from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from rclpy.time import Time
from std_msgs.msg import Header

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.synchroniser import JUMP_BACK, Arrival, Pair, Side

Item = TypeVar("Item")
QUEUE = 30


class FilterSynchroniser(Generic[Item]):
    """`ApproximateTimeSynchronizer` with the interface of `Synchroniser`; it does not report what it drops.

    It never discards old stamps, so that a bag that starts again would give no pairs: it is recreated then.
    """

    def __init__(self, tolerance: int, thermal_offset: int = 0) -> None:
        """Make the synchroniser; tolerance and offset are nanoseconds.

        Raises:
            DistillMatchError: message_filters is not installed.
        """
        self._tolerance = tolerance
        self._offsets = {Side.VISIBLE: 0, Side.THERMAL: thermal_offset}
        self._found: list[Pair[Item]] = []
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        try:
            from message_filters import ApproximateTimeSynchronizer, SimpleFilter
        except ModuleNotFoundError as error:
            raise DistillMatchError(
                "pairing message_filters: that package is not installed; "
                "apt install ros-$ROS_DISTRO-message-filters, or choose pairing stamp"
            ) from error
        self._newest: dict[Side, int] = {}
        self._filters = {side: SimpleFilter() for side in Side}
        synchroniser = ApproximateTimeSynchronizer(list(self._filters.values()), QUEUE, self._tolerance / 1e9)
        synchroniser.registerCallback(self._keep)

    def add(self, side: Side, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that it completes."""
        time = max(0, arrival.stamp + self._offsets[side])
        if time < self._newest.get(side, 0) - JUMP_BACK:
            self.reset()
        self._newest[side] = max(time, self._newest.get(side, 0))
        header = Header(stamp=Time(nanoseconds=time).to_msg())
        self._filters[side].signalMessage(SimpleNamespace(header=header, arrival=arrival))
        found, self._found = self._found, []
        return found

    def _keep(self, visible: Any, thermal: Any) -> None:
        skew = thermal.arrival.stamp + self._offsets[Side.THERMAL] - visible.arrival.stamp
        self._found.append(Pair(visible.arrival, thermal.arrival, skew))
