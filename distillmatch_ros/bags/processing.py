"""Registration of a bag: every pair, written on the topics of the node."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from distillmatch_ros.bags.guess import guess_topics, usable_encodings
from distillmatch_ros.bags.provenance import KEY
from distillmatch_ros.bags.reading import Bag, Recorded, Topic, open_bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.bags.threads import BackgroundWriter, prefetch
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.stream.assembly import make_synchroniser
from distillmatch_ros.stream.outputs import NODE, TOPICS, Outgoing
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.stream import Result, Stream
from distillmatch_ros.stream.synchroniser import Pair, Synchroniser
from distillmatch_ros.stream.timing import Timing
from distillmatch_ros.stream.waiting import Arrival


@dataclass(frozen=True)
class BagJob:
    """What to read, and what to write.

    Attributes:
        bag: see `Bag`.
        out: MCAP file to write; None to write none.
        rgb: image topic of the visible camera.
        thermal: image topic of the thermal camera.
        outputs: some of `TOPICS`.
        undistort: undistort the images of each camera that the bag has a calibration of, in its camera_info.
        jpeg_quality: of overlay/compressed.
        overwrite: replace ``out`` where it exists.
        others: further files or bags of the same drive, such as the other camera's; see `open_bag`.
    """

    bag: Path
    out: Path | None
    rgb: str | None
    thermal: str | None
    outputs: tuple[str, ...]
    undistort: bool = False
    jpeg_quality: int = 90
    overwrite: bool = False
    others: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class _Matched:
    """A pair of frames, and when the later of them was received."""

    visible: Frame
    thermal: Frame
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
        infos = {sensor: first_info(bag, topic) for topic, sensor in reader.sensors.items()}
        if job.undistort:
            _undistort(stream, infos, summary)
        topics = {sensor: topic for topic, sensor in reader.sensors.items()}
        named = {"rgb": topics[Sensor.VISIBLE], "thermal": topics[Sensor.THERMAL]}
        with _sink(job, infos, {**(about or {}), **named}, summary) as write:
            begun = 0
            for matched in prefetch(reader.pairs()):
                begun = begun or matched.visible.stamp
                try:
                    result = stream.process(matched.visible, matched.thermal)
                except DistillMatchError as error:
                    summary.drop("pair rejected", str(error))
                    continue
                summary.statuses[result.registration.status.value] += 1
                summary.registration_ms.append(result.latency_ms["total"])
                write((matched, result))
                on_result(result)
            summary.dropped.update(_dropped(synchroniser))
            summary.lose(bag.losses)
            reader.diagnose()
            if stream.advice is not None:
                summary.problems.append(stream.advice)
            for event in stream.rig_events:
                seconds = (event.stamp - begun) / SECOND
                summary.notes.append(f"after {seconds:.1f} s: {event.sentence}")
    summary.seconds = perf_counter() - started
    return summary


def recorded_cameras(job: BagJob) -> dict[Sensor, Camera]:
    """The cameras of the images that `process_bag` gives out, as far as the bag says.

    Raises:
        DistillMatchError: the bag cannot be read, or lacks a topic.
    """
    found = {}
    with open_bag(job.bag, *job.others) as bag:
        for sensor, topic in zip(MATCHED, _topics(bag, job, BagSummary(str(job.bag), None)), strict=True):
            if (info := first_info(bag, topic.name)) is None:
                continue
            with suppress(DistillMatchError):  # it is not calibrated
                camera = Camera.from_camera_info(info)
                found[sensor] = Camera(camera.size, camera.matrix) if job.undistort else camera
    return found


def info_topic(image: str) -> str:
    """Where the CameraInfo of an image topic is by ROS's convention: ``camera_info`` beside the image."""
    return f"{image.removesuffix('/compressed').rpartition('/')[0]}/camera_info"


class _Reader:
    """Frames of two topics, paired and decoded."""

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
        rgb, thermal = _topics(bag, job, summary)
        if rgb == thermal:
            raise DistillMatchError(f"{job.bag}: --rgb and --thermal are both {rgb.name}; name two topics")
        self.sensors = {rgb.name: Sensor.VISIBLE, thermal.name: Sensor.THERMAL}
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
        for pair in self._synchroniser.flush():
            yield from self._decoded(pair)

    def _paired(self, each: Recorded) -> list[Pair[Any]]:
        sensor = self.sensors[each.topic]
        self._summary.frames[sensor.value] += 1
        if sensor is Sensor.VISIBLE:
            self._on_frame()
        stamp = self._messages.stamp_of(each.message)
        self._timing.receive(sensor, stamp, each.received)
        return self._synchroniser.add(sensor, Arrival(stamp, each.received, each.message))

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

    def _decoded(self, pair: Pair[Any]) -> Iterator[_Matched]:
        """The pair, unless an image of it cannot be used."""
        visible = self._frame(Sensor.VISIBLE, pair.visible.item)
        thermal = self._frame(Sensor.THERMAL, pair.thermal.item)
        if visible is not None and thermal is not None:
            yield _Matched(visible, thermal, max(pair.visible.received, pair.thermal.received))

    def _frame(self, sensor: Sensor, message: Any) -> Frame | None:
        try:
            return self._messages.to_frame(message)
        except DistillMatchError as error:
            self._summary.drop(f"{sensor} unreadable", f"an image of the {sensor} camera: {error}")
            return None


def _topics(bag: Bag, job: BagJob, summary: BagSummary) -> tuple[Topic, Topic]:
    """The topics of both cameras; those that are not named are guessed, and said."""
    guess = {} if job.rgb and job.thermal else guess_topics(usable_encodings(bag))
    rgb = bag.image_topic(job.rgb or guess.get(Sensor.VISIBLE), "--rgb")
    thermal = bag.image_topic(job.thermal or guess.get(Sensor.THERMAL), "--thermal")
    if guess:
        summary.notes.append(
            f"topics by their names and encodings: --rgb {rgb.name} --thermal {thermal.name}; "
            "name them if that is wrong"
        )
    return rgb, thermal


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


def first_info(bag: Bag, image: str) -> Any:
    """The first CameraInfo beside an image topic, or None; a camera does not change its lens on the way."""
    first = next(bag.messages((info_topic(image),)), None)
    return None if first is None else first.message


def _undistort(stream: Stream, infos: Mapping[Sensor, Any], summary: BagSummary) -> None:
    """Undistort the images of each camera with a usable CameraInfo.

    Raises:
        DistillMatchError: there is none.
    """
    problems = {}
    for sensor, info in infos.items():
        if (problem := _undistort_one(stream, sensor, info)) is None:
            summary.undistorted.append(sensor.value)
        else:
            problems[sensor] = problem
    if len(problems) == len(infos):
        listed = "; ".join(f"{sensor}: {error}" for sensor, error in problems.items())
        raise DistillMatchError(f"undistort: no camera is calibrated ({listed}); or leave undistort out")
    summary.notes.extend(
        f"{sensor} images are not undistorted: {error}" for sensor, error in problems.items()
    )


def _undistort_one(stream: Stream, sensor: Sensor, info: Any) -> str | None:
    """Undistort the images of one camera; the reason if its CameraInfo is None or unusable."""
    stream.undistort(sensor, None)
    if info is None:
        return f"the bag has no camera_info beside its {sensor} image; record it"
    try:
        stream.undistort(sensor, Camera.from_camera_info(info))
    except DistillMatchError as error:
        return str(error)
    return None


def _dropped(synchroniser: Synchroniser[Any]) -> dict[str, int]:
    return {
        f"{sensor} {reason.value.lower()}": number
        for sensor, reasons in synchroniser.counts.dropped.items()
        for reason, number in reasons.items()
    }
