"""What is asked of a bag: the topics and cameras to read, and the outputs to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.bags.camera_infos import camera_of, first_info
from distillmatch_ros.bags.guess import (
    guess_topics,
    lacking,
    possible_pairs,
    several_cameras,
    usable_encodings,
)
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.reading import Bag, Topic
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.stream.sensors import MATCHED, Sensor


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


def image_topics(bag: Bag, job: BagJob, summary: BagSummary) -> dict[Sensor, Topic]:
    """The sensors' topics; those of the two cameras that are not named are guessed, and ``summary`` says so.

    Raises:
        DistillMatchError: the bag lacks one, or they cannot be guessed.
    """
    if (lack := lacking(bag)) is not None:
        raise DistillMatchError(f"{job.bag}: {lack}", *(topic.not_read for topic in bag.unread))
    named: Mapping[Sensor, str | None] = job.topics
    if not job.topics.keys() >= set(MATCHED):
        guess = guess_topics(usable := usable_encodings(bag))
        named = {**dict.fromkeys(MATCHED), **guess, **job.topics}
        if None in named.values():
            named = {**named, **_of_several(usable, job)}
    topics = {
        sensor: bag.image_topic(name, f"--{sensor.namespace}", points=sensor not in MATCHED)
        for sensor, name in named.items()
    }
    if named is not job.topics:
        listed = " ".join(f"--{sensor.namespace} {topics[sensor].name}" for sensor in MATCHED)
        summary.notes.append(f"topics by their names and encodings: {listed}; name them if that is wrong")
    return topics


def recorded_cameras(job: BagJob) -> dict[Sensor, Camera]:
    """The cameras of the images that `process_bag` hands to its stream, as far as the bag says.

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


def _of_several(encoding_by_topic: Mapping[str, str], job: BagJob) -> Mapping[Sensor, str]:
    """Both cameras' topics, if what is named tells them from those of a robot's other cameras.

    Raises:
        DistillMatchError: it does not; the message lists what may be named.
    """
    fitting = [
        pair
        for pair in possible_pairs(encoding_by_topic)
        if all(pair[sensor] == job.topics.get(sensor, pair[sensor]) for sensor in MATCHED)
    ]
    if len(fitting) > 1:
        sentence, *options = several_cameras(fitting)
        raise DistillMatchError(f"{job.bag}: {sentence}", *options)
    return fitting[0] if fitting else {}
