"""Which image topics of a bag are those of the two cameras, by their names and encodings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from distillmatch_ros.bags.camera_infos import describe_robot, first_info, without_transport
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.reading import IMAGE_TYPES, POINTS_TYPE, Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.exchanged import is_called_thermal, is_called_visible
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.points import XYZ
from distillmatch_ros.stream.depth import depth_of_visible
from distillmatch_ros.stream.robot import Robot
from distillmatch_ros.stream.sensors import Sensor

_NEITHER = re.compile(r"depth|disparity|mask|overlay|label|segment|registered|/distillmatch/|confidence")
_COLOURS = re.compile(r"rgb|bgr|bayer|yuv|uyvy|yuyv|nv|8UC3|8UC4")
_WORDS = re.compile(r"[a-z]+|\d+")
_OWN = re.compile(r"/distillmatch/")
_RAW_VALUES = re.compile(r"mono1[0246]|16[US]C1|32[SF]C1|64FC1")


def encodings(bag: Bag) -> dict[str, str]:
    """Encoding of the first image of each image topic, of compressed images their format; empty of none."""
    found = {}
    for topic in bag.images:
        first = next(bag.messages((topic.name,)), None) if topic.count else None
        message = None if first is None else first.message
        found[topic.name] = str(getattr(message, "encoding", "") or getattr(message, "format", ""))
    return found


def usable_encodings(bag: Bag) -> dict[str, str]:
    """`encodings` of the topics that hold images which can be read: a driver advertises more."""
    messages, found = ros2_messages(), {}
    for topic, encoding in encodings(bag).items():
        first = next(bag.messages((topic,)), None) if bag.topics[topic].count else None
        with suppress(DistillMatchError):
            if first is not None and messages.to_frame(first.message).image.size:
                found[topic] = encoding
    return found


def lacking(bag: Bag) -> str | None:
    """Why a bag is not of two cameras, if it holds images of one topic alone; None otherwise."""
    if len(bag.images) != 1:
        return None
    return (
        f"only one image topic was recorded: {bag.images[0].name}; a second camera's is needed, here or in a "
        "bag that is given with this one"
    )


def count_frames(bags: Iterable[Sequence[Path]], rgb: str | None) -> int:
    """Number of visible frames of all bags, for a progress bar; unreadable bags count as 0.

    Args:
        bags: paths of the parts of each bag.
        rgb: image topic of the visible camera; guessed if None.
    """
    frames = 0
    for parts in bags:
        with suppress(DistillMatchError), open_bag(*parts) as bag:
            name = rgb or guess_topics(usable_encodings(bag)).get(Sensor.VISIBLE)
            frames += bag.image_topic(name, "--rgb").count
    return frames


def guess_topics(encoding_by_topic: Mapping[str, str]) -> dict[Sensor, str]:
    """The topics of both cameras, as far as names and encodings tell them apart.

    Args:
        encoding_by_topic: encoding by image topic, see `encodings`.

    Returns:
        By sensor; a sensor is absent if no topic, or none more than another, looks like its camera's.
    """
    scores = {
        topic: score
        for topic, encoding in encoding_by_topic.items()
        if (score := _thermal_score(topic, encoding)) is not None
    }
    thermal = _best({topic: score for topic, score in scores.items() if score > 0})
    visible = _best({topic: -score for topic, score in scores.items() if score < 0})
    if thermal is not None and visible is None:  # the other camera may have any name, if there is one other
        rest = [topic for topic in scores if without_transport(topic) != without_transport(thermal)]
        visible = rest[0] if len({without_transport(topic) for topic in rest}) == 1 else None
    if visible is not None and thermal is None:
        rest = [topic for topic in scores if without_transport(topic) != without_transport(visible)]
        thermal = rest[0] if len({without_transport(topic) for topic in rest}) == 1 else None
    found = {Sensor.VISIBLE: visible, Sensor.THERMAL: thermal}
    return {sensor: topic for sensor, topic in found.items() if topic is not None}


def possible_pairs(encoding_by_topic: Mapping[str, str]) -> list[dict[Sensor, str]]:
    """The topics of both cameras of each rig, for a robot with several; see `guess_topics`.

    Those belong together whose names share the most words and numbers, such as ``front`` or ``0``; all that
    may, where only one camera is of its kind.
    """
    scores = {topic: _thermal_score(topic, encoding) or 0.0 for topic, encoding in encoding_by_topic.items()}
    bases = {without_transport(topic): topic for topic in sorted(scores, reverse=True)}  # raw ones count
    words = {topic: set(_WORDS.findall(topic.lower())) for topic in bases.values()}
    visible = [topic for topic in sorted(words) if scores[topic] < 0]
    thermal = [topic for topic in sorted(words) if scores[topic] > 0]

    def closest(topic: str, others: Sequence[str]) -> list[str]:
        shared = {other: len(words[topic] & words[other]) for other in others}
        return [other for other in others if shared[other] == max(shared.values())]

    return [
        {Sensor.VISIBLE: one, Sensor.THERMAL: other}
        for one in visible
        for other in thermal
        if 1 in (len(visible), len(thermal))
        or (closest(one, thermal) == [other] and closest(other, visible) == [one])
    ]


def several_cameras(pairs: Sequence[Mapping[Sensor, str]]) -> tuple[str, ...]:
    """What to say of `possible_pairs`: a sentence, and the options for each."""
    options = (" ".join(f"--{sensor.namespace} {topic}" for sensor, topic in pair.items()) for pair in pairs)
    return ("holds several cameras of a kind; name one of each, such as", *options)


def guess_depth(bag: Bag, visible: str) -> str | None:
    """The topic of depth that the images of a visible topic can be given; None if there is none.

    Registered depth goes before that of a camera with a frame of its own, and both before points of a LiDAR.
    Its first message is carried over to the first visible image, so that only what works is named.
    """
    first = _first_frame(bag, visible)
    if first is None:
        return None
    found: dict[str, int] = {}
    for name, topic in bag.topics.items():
        is_depth = topic.type in IMAGE_TYPES and "depth" in name.lower() and not is_called_thermal(name)
        if _OWN.search(name) or not (is_depth or topic.type == POINTS_TYPE):
            continue
        with suppress(DistillMatchError):
            if (depth := _first_frame(bag, name)) is not None:
                robot, topics = Robot(), {Sensor.VISIBLE: visible, Sensor.DEPTH: name}
                infos = {sensor: first_info(bag, each) for sensor, each in topics.items()}
                describe_robot(bag, infos, topics, robot)
                depth_of_visible(depth, first, robot, None, None)
                found[name] = 2 if depth.encoding == XYZ else int(depth.frame_id != first.frame_id)
    return min(sorted(found), key=lambda name: found[name], default=None)


def _first_frame(bag: Bag, topic: str) -> Frame | None:
    """A topic's first message; None if it has none.

    Raises:
        DistillMatchError: it cannot be read.
    """
    first = next(bag.messages((topic,)), None)
    return None if first is None else ros2_messages().to_frame(first.message)


def _thermal_score(topic: str, encoding: str) -> float | None:
    """Above 0 for a thermal camera's topic, below for a visible one's; None for neither."""
    name = without_transport(topic).lower()
    if _NEITHER.search(name) or ("compressedDepth" in encoding and not is_called_thermal(name)):
        return None
    score = 2.0 * is_called_thermal(name) - 1.5 * is_called_visible(name)
    return score + 1.0 * bool(_RAW_VALUES.search(encoding)) - 1.0 * bool(_COLOURS.search(encoding))


def _best(scores: Mapping[str, float]) -> str | None:
    """The topic of the highest score; None if two cameras share it."""
    if not scores:
        return None
    highest = max(scores.values())
    topics = sorted(topic for topic, score in scores.items() if score == highest)
    # Raw and compressed images of one camera: the raw ones hold its own values.
    return topics[0] if len({without_transport(topic) for topic in topics}) == 1 else None
