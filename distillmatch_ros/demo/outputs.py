"""What a node or a bag run recorded, read back from its bag, and how far two of them agree."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size, corner_error
from distillmatch_ros.offline.bag.reading import Bag
from distillmatch_ros.offline.bag.typestore import ros2_types
from distillmatch_ros.offline.bag.writing import BagWriter
from distillmatch_ros.stream.outputs import NODE

CORRESPONDENCES, HOMOGRAPHY = f"{NODE}/correspondences", f"{NODE}/homography"
AGREE_PX = 0.1
"""Corner distance, in a visible image 640 px wide, up to which two homographies say the same."""

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # of PointField


@dataclass(frozen=True, eq=False)
class Output:
    """What came out for one pair of frames.

    Attributes:
        received: when the recorder got the homography, ns.
        homography: float64 (3, 3), thermal to visible pixels; None where there was none to rely on.
        matches: number of correspondences.
        inliers: those that agree with the homography.
    """

    received: int
    homography: Float64 | None
    matches: int
    inliers: int


@dataclass(frozen=True)
class Agreement:
    """How two runs over the same frames compare.

    Attributes:
        first: frames for which the first run published.
        second: frames for which the second did.
        both: frames for which both did.
        homographies: of these, those where both found one.
        identical: of these, those that are equal to the last bit.
        within: of these, those whose corners are less than `AGREE_PX` apart.
        worst_px: greatest corner error between the two, in a visible image 640 px wide.
        contradicted: frames for which one run found a homography and the other rejected it.
    """

    first: int
    second: int
    both: int
    homographies: int
    identical: int
    within: int
    worst_px: float
    contradicted: int


def read_outputs(path: Path) -> dict[int, Output]:
    """Homographies and match counts of a recording by the stamp of the visible frame, ns.

    Raises:
        DistillMatchError: the bag cannot be read.
    """
    homographies: dict[int, tuple[int, Float64 | None]] = {}
    counts: dict[int, tuple[int, int]] = {}
    with Bag(path) as bag:
        for each in bag.messages((CORRESPONDENCES, HOMOGRAPHY)):
            stamp = stamp_of(each.message)
            if each.topic == HOMOGRAPHY:
                homographies[stamp] = each.received, _homography(each.message)
            else:
                inliers = cloud(each.message)["inlier"]
                counts[stamp] = len(inliers), int(np.count_nonzero(inliers))
    return {
        stamp: Output(*found, *counts.get(stamp, (0, 0))) for stamp, found in sorted(homographies.items())
    }


def read_stamps(path: Path, topic: str) -> dict[int, int]:
    """When each frame of a topic was received, by its stamp; both ns."""
    with Bag(path) as bag:
        return {stamp_of(each.message): each.received for each in bag.messages((topic,))}


def read_pictures(path: Path, topic: str, stamps: set[int]) -> Iterator[tuple[int, Any]]:
    """The image messages of a topic with those stamps."""
    with Bag(path) as bag:
        for each in bag.messages((topic,)):
            if (stamp := stamp_of(each.message)) in stamps:
                yield stamp, each.message


def select_pairs(bag: Path, out: Path, visible: str, stamps: Collection[int]) -> None:
    """Write a bag without those frames of the visible camera whose stamps are not among ``stamps``."""
    with Bag(bag) as source, BagWriter(out, ros2_types()) as writer:
        for each in source.messages(tuple(source.topics)):
            if each.topic != visible or stamp_of(each.message) in stamps:
                writer.write(each.topic, each.received, each.message)


def compare(
    first: Mapping[int, Output], second: Mapping[int, Output], thermal: Size, visible: Size
) -> Agreement:
    """Compare two runs by stamp; sizes are (height, width) of the cameras."""
    both = first.keys() & second.keys()
    pairs = [(first[stamp].homography, second[stamp].homography) for stamp in both]
    found = [(a, b) for a, b in pairs if a is not None and b is not None]
    gaps = [corner_error(a, b, thermal, visible) for a, b in found]
    return Agreement(
        first=len(first),
        second=len(second),
        both=len(both),
        homographies=len(found),
        identical=sum(np.array_equal(a, b) for a, b in found),
        within=sum(gap <= AGREE_PX for gap in gaps),
        worst_px=max(gaps, default=0.0),
        contradicted=sum((a is None) != (b is None) for a, b in pairs),
    )


def stamp_of(message: Any) -> int:
    """The stamp in a message's header, ns."""
    time = message.header.stamp
    return int(time.sec * 10**9 + time.nanosec)


def cloud(message: Any) -> NDArray[np.void]:
    """The points of a PointCloud2 as a structured array with its fields."""
    order = ">" if message.is_bigendian else "<"
    described = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [order + _DATATYPES[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(message.data, described)


def _homography(message: Any) -> Float64 | None:
    """The matrix of a 64FC1 image; None where it is not finite: there was none to rely on."""
    matrix = np.frombuffer(message.data, ">f8" if message.is_bigendian else "<f8").astype(np.float64)
    return matrix.reshape(3, 3) if matrix.size == 9 and np.isfinite(matrix).all() else None
