"""Registration of a bag: every pair, written on the topics of the node."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from distillmatch_ros.bags.camera_infos import camera_of, check_rig, describe_robot, first_info, undistort
from distillmatch_ros.bags.guess import guess_topics, lacking, usable_encodings
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.provenance import KEY
from distillmatch_ros.bags.reading import Bag, Recorded, Topic
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.bags.threads import BackgroundWriter, prefetch
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import LATCHED_QOS, BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.exchanged import exchanged_by_name
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import RigHistory
from distillmatch_ros.stream.assembly import make_collector, make_synchroniser
from distillmatch_ros.stream.outputs import NODE, TOPICS, Outgoing
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.robot import TF_STATIC
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.synchroniser import Pair, Synchroniser
from distillmatch_ros.stream.temporal import Mode
from distillmatch_ros.stream.timing import Timing
from distillmatch_ros.stream.waiting import Arrival


@dataclass(frozen=True)
class BagJob:
    """What to read, and what to write.

    Attributes:
        bag: see `Bag`.
        out: MCAP file to write; None to write none.
        topics: image topic by sensor; those of the two cameras are guessed if they are left out, further
            sensors are used if they are named.
        outputs: some of `TOPICS`.
        undistort: undistort the images of each camera that the bag has a calibration of, in its camera_info.
        jpeg_quality: of overlay/compressed.
        overwrite: replace ``out`` where it exists.
        others: further files or bags of the same drive, such as the other camera's; see `open_bag`.
    """

    bag: Path
    out: Path | None
    topics: Mapping[Sensor, str]
    outputs: tuple[str, ...]
    undistort: bool = False
    jpeg_quality: int = 90
    overwrite: bool = False
    others: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class _Matched:
    """The frames of a pair by sensor, and when the later of the two cameras' was received."""

    frames: Mapping[Sensor, Frame]
    received: int


def process_bag(
    job: BagJob,
    stream: Stream,
    parameters: Parameters,
    *,
    about: Mapping[str, Any] | None = None,
    on_frame: Callable[[], None] = lambda: None,
    on_result: Callable[[Result], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> BagSummary:
    """Register every pair of a bag.

    Messages get the time at which the later frame of their pair was received. Two runs write the same ones.

    Args:
        job: what to read and to write.
        stream: what pairs go through; new or reset.
        parameters: how frames are paired; the others are the stream's.
        about: see `provenance`; ``out`` keeps it, together with the summary.
        on_frame: called for each visible frame, in a thread of its own.
        on_result: called for each pair, in the order of the bag.
        stop: asked for each message whether to end early; what was written by then is a whole bag.

    Raises:
        DistillMatchError: the bag cannot be read, lacks a topic, or ``out`` cannot be written.
    """
    started = perf_counter()
    summary = BagSummary(str(job.bag), None if job.out is None else str(job.out))
    synchroniser = make_synchroniser(parameters)
    with open_bag(job.bag, *job.others) as bag:
        reader = _Reader(bag, job, synchroniser, summary, parameters, on_frame, stop)
        topics = {sensor: topic for topic, sensor in reader.sensors.items()}
        infos = {sensor: first_info(bag, topic) for sensor, topic in topics.items()}
        if job.undistort:
            undistort(stream, {sensor: infos[sensor] for sensor in MATCHED}, topics, summary)
        describe_robot(bag, infos, topics, stream.robot)
        check_rig(bag, topics, stream)
        summary.topics = {sensor.namespace: topic for sensor, topic in topics.items()}
        with _sink(job, infos, {**(about or {}), **summary.topics}, summary) as write:
            begun = 0
            for matched in prefetch(reader.pairs()):
                begun = begun or matched.frames[Sensor.VISIBLE].stamp
                try:
                    result = stream.process(**{sensor.value: each for sensor, each in matched.frames.items()})
                except DistillMatchError as error:
                    summary.drop("pair rejected", str(error))
                    continue
                for sensor, reason in result.unused.items():
                    summary.drop(f"{sensor} unusable", reason)
                summary.statuses[result.registration.status.value] += 1
                summary.registration_ms.append(result.latency_ms["total"])
                write((matched, result))
                on_result(result)
            summary.dropped.update(_dropped(synchroniser))
            reader.count_missing()
            summary.lose(bag.losses)
            reader.diagnose()
            if stream.advice is not None:
                summary.problems.append(stream.advice)
            exchanged = exchanged_by_name(*(topics[sensor] for sensor in MATCHED)) or stream.exchanged
            if exchanged is not None:
                summary.notes.append(exchanged)
            summary.rig = _rig_history(stream, parameters, begun)
            for each in summary.rig.events:
                if each.finding == Finding.UNUSABLE:
                    summary.problems.append(f"{each.sentence}; the bag was registered without it")
                else:
                    summary.notes.append(f"after {each.seconds:.1f} s: {each.sentence}")
    summary.seconds = perf_counter() - started
    return summary


def _rig_history(stream: Stream, parameters: Parameters, begin: int) -> RigHistory:
    """What the pairs of a stream told of their rig, from a stamp on, ns."""
    mode = parameters.stream.mode
    file = {Mode.RIG: parameters.rig_file, Mode.FIXED: parameters.calibration_file}.get(mode)
    return RigHistory.of(mode.value, file or None, stream.known_rig, stream.rig_events, begin)


def recorded_cameras(job: BagJob) -> dict[Sensor, Camera]:
    """The cameras of the images that `process_bag` gives out, as far as the bag says.

    Raises:
        DistillMatchError: the bag cannot be read, or lacks a topic.
    """
    found = {}
    with open_bag(job.bag, *job.others) as bag:
        topics = image_topics(bag, job, BagSummary(str(job.bag), None))
        for sensor in MATCHED:
            topic = topics[sensor].name
            if (camera := camera_of(first_info(bag, topic), topic)) is not None:
                found[sensor] = Camera(camera.size, camera.matrix) if job.undistort else camera
    return found


class _Reader:
    """Frames of the sensors' topics, paired and decoded."""

    def __init__(
        self,
        bag: Bag,
        job: BagJob,
        synchroniser: Synchroniser[Any],
        summary: BagSummary,
        parameters: Parameters,
        on_frame: Callable[[], None],
        stop: Callable[[], bool],
    ) -> None:
        topics = image_topics(bag, job, summary)
        self.sensors: dict[str, Sensor] = {}
        for sensor, topic in topics.items():
            if (other := self.sensors.setdefault(topic.name, sensor)) is not sensor:
                names = f"--{other.namespace} and --{sensor.namespace}"
                raise DistillMatchError(f"{job.bag}: {names} are both {topic.name}; name two topics")
        attached = [sensor for sensor in topics if sensor not in MATCHED]
        self._collector = make_collector(parameters, synchroniser, attached)
        self._bag = bag
        self._synchroniser = synchroniser
        self._summary = summary
        self._on_frame = on_frame
        self._stop = stop
        self._messages = ros2_messages(parameters.max_pixels)
        self._parameters = parameters
        self._timing = Timing()

    def pairs(self) -> Iterator[_Matched]:
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

    def diagnose(self) -> None:
        """Say how the cameras' clocks compare, and why frames found no partner if too few did."""
        clocks, frames = self._timing.clocks(), self._summary.frames
        self._summary.clocks = clocks
        fewest, most = sorted(frames[sensor.value] for sensor in MATCHED)
        pairs = self._synchroniser.counts.paired
        found = (
            self._timing.unpaired(pairs, fewest, self._parameters) if most else "neither topic holds an image"
        )
        if found is not None and not self._summary.interrupted:
            self._summary.problems.append(found)

    def count_missing(self) -> None:
        """Count the pairs without a frame of a further sensor."""
        for sensor, number in self._collector.missing.items():
            self._summary.dropped[f"{sensor} missing"] += number

    def _decoded(self, pair: Pair[Any]) -> Iterator[_Matched]:
        """The pair, unless an image of the two cameras cannot be used."""
        frames = {sensor: self._frame(sensor, arrival.item) for sensor, arrival in pair.arrivals.items()}
        usable = {sensor: frame for sensor, frame in frames.items() if frame is not None}
        if all(sensor in usable for sensor in MATCHED):
            yield _Matched(usable, max(pair.visible.received, pair.thermal.received))

    def _frame(self, sensor: Sensor, message: Any) -> Frame | None:
        try:
            return self._messages.to_frame(message)
        except DistillMatchError as error:
            self._summary.drop(f"{sensor} unreadable", f"an image of the {sensor} camera: {error}")
            return None


def image_topics(bag: Bag, job: BagJob, summary: BagSummary) -> dict[Sensor, Topic]:
    """The sensors' topics; those of the two cameras that are not named are guessed, and ``summary`` says so.

    Raises:
        DistillMatchError: the bag lacks one, or they cannot be guessed.
    """
    if (lack := lacking(bag)) is not None:
        raise DistillMatchError(f"{job.bag}: {lack}", *(topic.not_read for topic in bag.unread))
    named: Mapping[Sensor, str | None] = job.topics
    if not job.topics.keys() >= set(MATCHED):
        guess = guess_topics(usable_encodings(bag))
        named = {**dict.fromkeys(MATCHED), **guess, **job.topics}
    topics = {
        sensor: bag.image_topic(name, f"--{sensor.namespace}", points=sensor not in MATCHED)
        for sensor, name in named.items()
    }
    if named is not job.topics:
        listed = " ".join(f"--{sensor.namespace} {topics[sensor].name}" for sensor in MATCHED)
        summary.notes.append(f"topics by their names and encodings: {listed}; name them if that is wrong")
    return topics


@contextmanager
def _sink(
    job: BagJob, infos: Mapping[Sensor, Any], about: Mapping[str, Any], summary: BagSummary
) -> Iterator[Callable[[tuple[_Matched, Result]], None]]:
    """Takes results; ``infos`` are the cameras' CameraInfo, as far as there are any."""
    if job.out is None:
        yield lambda _: None
        return
    with BagWriter(job.out, ros2_types(), job.overwrite) as writer:
        with BackgroundWriter(_Output(writer, job, infos).write) as write:
            yield write
        latencies = [round(ms, 3) for ms in summary.registration_ms]
        writer.note(KEY, json.dumps({**summary.record(), **about, "registration_ms": latencies}))


class _Output:
    """Writes results on the node's topics."""

    def __init__(self, writer: BagWriter, job: BagJob, infos: Mapping[Sensor, Any]) -> None:
        self._writer = writer
        self._job = job
        self._infos = infos
        self._messages = ros2_messages()

    def write(self, item: tuple[_Matched, Result]) -> None:
        """Write one result, at the time at which its pair was there."""
        matched, result = item
        outgoing = Outgoing(
            self._messages,
            result,
            self._infos,
            quality=self._job.jpeg_quality,
        )
        for name in self._job.outputs:
            message = TOPICS[name][1](outgoing)
            if message is not None:
                self._writer.write(f"{NODE}/{name}", matched.received, message)
        if (transform := outgoing.tf_static()) is not None:
            self._writer.write(TF_STATIC, matched.received, transform, LATCHED_QOS)


def _dropped(synchroniser: Synchroniser[Any]) -> dict[str, int]:
    return {
        f"{sensor} {reason.value.lower()}": number
        for sensor, reasons in synchroniser.counts.dropped.items()
        for reason, number in reasons.items()
    }
