"""Synchronisation by the package message_filters."""

from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from rclpy.time import Time
from std_msgs.msg import Header

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import JUMP_BACK, Pair
from distillmatch_ros.stream.waiting import Arrival

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
        self._offsets = {Sensor.VISIBLE: 0, Sensor.THERMAL: thermal_offset}
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
        self._newest: dict[Sensor, int] = {}
        self._filters = {sensor: SimpleFilter() for sensor in MATCHED}
        synchroniser = ApproximateTimeSynchronizer(list(self._filters.values()), QUEUE, self._tolerance / 1e9)
        synchroniser.registerCallback(self._keep)

    def add(self, sensor: Sensor, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that it completes."""
        time = max(0, arrival.stamp + self._offsets[sensor])
        if time < self._newest.get(sensor, 0) - JUMP_BACK:
            self.reset()
        self._newest[sensor] = max(time, self._newest.get(sensor, 0))
        header = Header(stamp=Time(nanoseconds=time).to_msg())
        self._filters[sensor].signalMessage(SimpleNamespace(header=header, arrival=arrival))
        found, self._found = self._found, []
        return found

    def _keep(self, visible: Any, thermal: Any) -> None:
        skew = thermal.arrival.stamp + self._offsets[Sensor.THERMAL] - visible.arrival.stamp
        self._found.append(Pair(visible.arrival, thermal.arrival, skew))
