"""Reads a bag's frames, pairs them as the node does, and decodes those of each pair."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distillmatch_ros.bags.job import BagJob, image_topics
from distillmatch_ros.bags.reading import Bag, Recorded
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.stream.assembly import make_collector, make_synchroniser
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import Pair
from distillmatch_ros.stream.timing import Timing
from distillmatch_ros.stream.waiting import Arrival


@dataclass(frozen=True, eq=False)
class MatchedFrames:
    """The frames of a pair by sensor, and when the later of the two cameras' was received."""

    frames: Mapping[Sensor, Frame]
    received: int


class PairReader:
    """Frames of the sensors' topics, paired and decoded."""

    def __init__(
        self,
        bag: Bag,
        job: BagJob,
        summary: BagSummary,
        parameters: Parameters,
        on_frame: Callable[[], None],
        stop: Callable[[], bool],
    ) -> None:
        """Find the topics.

        Args:
            bag: open bag.
            job: names its topics.
            summary: gets counts, problems and notes.
            parameters: how frames are paired.
            on_frame: called for each visible frame.
            stop: asked for each message whether to end early.

        Raises:
            DistillMatchError: see `image_topics`, or one topic is named for two sensors.
        """
        topics = image_topics(bag, job, summary)
        self.sensors: dict[str, Sensor] = {}
        for sensor, topic in topics.items():
            if (other := self.sensors.setdefault(topic.name, sensor)) is not sensor:
                names = f"--{other.namespace} and --{sensor.namespace}"
                raise DistillMatchError(f"{job.bag}: {names} are both {topic.name}; name two topics")
        attached = [sensor for sensor in topics if sensor not in MATCHED]
        self._synchroniser = make_synchroniser(parameters)
        self._collector = make_collector(parameters, self._synchroniser, attached)
        self._bag = bag
        self._summary = summary
        self._on_frame = on_frame
        self._stop = stop
        self._messages = ros2_messages(parameters.max_pixels)
        self._parameters = parameters
        self._timing = Timing()

    def pairs(self) -> Iterator[MatchedFrames]:
        """All pairs of the bag, unless it is stopped."""
        for each in self._bag.messages(tuple(self.sensors)):
            if self._stop():
                self._summary.interrupted = True
                return
            for pair in self._paired(each):
                yield from self._decoded(pair)
        for pair in self._collector.flush(self._synchroniser.flush()):
            yield from self._decoded(pair)

    def _paired(self, each: Recorded) -> list[Pair[Any]]:
        sensor = self.sensors[each.topic]
        self._summary.frames[sensor.value] += 1
        if sensor is Sensor.VISIBLE:
            self._on_frame()
        stamp = self._messages.stamp_of(each.message)
        if sensor in MATCHED:
            self._timing.receive(sensor, stamp, each.received)
        return self._collector.add(sensor, Arrival(stamp, each.received, each.message))

    def conclude(self) -> None:
        """Tell the summary which frames found no partner and why, and how the cameras' clocks compare."""
        for side, reasons in self._synchroniser.counts.dropped.items():
            for reason, number in reasons.items():
                self._summary.dropped[f"{side} {reason.value.lower()}"] += number
        for sensor, number in self._collector.missing.items():
            self._summary.dropped[f"{sensor} missing"] += number
        clocks, frames = self._timing.clocks(), self._summary.frames
        self._summary.clocks = clocks
        fewest, most = sorted(frames[sensor.value] for sensor in MATCHED)
        pairs = self._synchroniser.counts.paired
        found = (
            self._timing.unpaired(pairs, fewest, self._parameters) if most else "neither topic holds an image"
        )
        if found is not None and not self._summary.interrupted:
            self._summary.problems.append(found)

    def _decoded(self, pair: Pair[Any]) -> Iterator[MatchedFrames]:
        """The pair, unless an image of the two cameras cannot be used."""
        frames = {sensor: self._frame(sensor, arrival.item) for sensor, arrival in pair.arrivals.items()}
        usable = {sensor: frame for sensor, frame in frames.items() if frame is not None}
        if all(sensor in usable for sensor in MATCHED):
            yield MatchedFrames(usable, max(pair.visible.received, pair.thermal.received))

    def _frame(self, sensor: Sensor, message: Any) -> Frame | None:
        try:
            return self._messages.to_frame(message)
        except DistillMatchError as error:
            self._summary.drop(f"{sensor} unreadable", f"an image of the {sensor} camera: {error}")
            return None
