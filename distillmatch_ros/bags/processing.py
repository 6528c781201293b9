"""Registration of a bag: every pair, written on the topics of the node."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from distillmatch_ros.bags.camera_infos import check_rig, describe_robot, first_info, undistort
from distillmatch_ros.bags.job import BagJob
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.pair_reader import MatchedFrames, PairReader
from distillmatch_ros.bags.provenance import KEY
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.bags.threads import BackgroundWriter, prefetch
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import LATCHED_QOS, BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.exchanged import exchanged_by_name
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import RigHistory
from distillmatch_ros.stream.outputs import NODE, TOPICS, Outgoing
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.robot import TF_STATIC
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode


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
    with open_bag(job.bag, *job.others) as bag:
        reader = PairReader(bag, job, summary, parameters, on_frame, stop)
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
            summary.lose(bag.losses)
            reader.conclude()
            if stream.advice is not None:
                summary.problems.append(stream.advice)
            exchanged = exchanged_by_name(*(topics[sensor] for sensor in MATCHED)) or stream.exchanged
            if exchanged is not None:
                summary.notes.append(exchanged)
            _tell_rig(summary, _rig_history(stream, parameters, begun))
    summary.seconds = perf_counter() - started
    return summary


def _rig_history(stream: Stream, parameters: Parameters, begin: int) -> RigHistory:
    """What the pairs of a stream told of their rig, from a stamp on, ns."""
    mode = parameters.stream.mode
    file = {Mode.RIG: parameters.rig_file, Mode.FIXED: parameters.calibration_file}.get(mode)
    return RigHistory.of(mode.value, file or None, stream.known_rig, stream.rig_events, begin)


def _tell_rig(summary: BagSummary, history: RigHistory) -> None:
    """Keep what was found about the rig, and say it: as a problem if a given rig could not be used."""
    summary.rig = history
    for each in history.events:
        if each.finding == Finding.UNUSABLE:
            summary.problems.append(f"{each.sentence}; the bag was registered without it")
        else:
            summary.notes.append(f"after {each.seconds:.1f} s: {each.sentence}")


@contextmanager
def _sink(
    job: BagJob, infos: Mapping[Sensor, Any], about: Mapping[str, Any], summary: BagSummary
) -> Iterator[Callable[[tuple[MatchedFrames, Result]], None]]:
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

    def write(self, item: tuple[MatchedFrames, Result]) -> None:
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
