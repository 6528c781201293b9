"""Comparison of two runs over the same frames."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.geometry.homography import Float64, Size, corner_error
from distillmatch_ros.reports.recording import Recording

AGREE_PX = 0.1
"""Corner error up to which two homographies count as equal, pixels of a visible image 640 px wide."""
Homographies = Mapping[int, Float64 | None]
"""By stamp of the visible frame, ns: float64 (3, 3), thermal to visible pixels; None if rejected."""


@dataclass(frozen=True)
class RunAgreement:
    """Agreement of two runs over the same frames.

    Attributes:
        first: number of frames for which the first run published.
        second: number of frames for which the second run published.
        both: number of frames for which both published.
        homographies: of these, frames for which both found a homography.
        identical: of these, homographies that are equal to the last bit.
        within: of these, homographies whose corner error against each other is at most `AGREE_PX`.
        worst_px: largest corner error between the two, pixels of a visible image 640 px wide.
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


def homographies(recording: Recording) -> Homographies:
    """Homographies of a recording by stamp; pairs without a stamp are left out."""
    return {entry.stamp: entry.homography for entry in recording.entries if entry.stamp is not None}


def select_pairs(bag: Path, out: Path, visible: str, stamps: Collection[int]) -> None:
    """Copy a bag without the frames of the topic ``visible`` whose stamps (ns) are not in ``stamps``."""
    messages = ros2_messages()
    with Bag(bag) as source, BagWriter(out, ros2_types()) as writer:
        for each in source.messages(tuple(source.topics)):
            if each.topic != visible or messages.stamp_of(each.message) in stamps:
                writer.write(each.topic, each.received, each.message)


def compare(first: Homographies, second: Homographies, thermal: Size, visible: Size) -> RunAgreement:
    """Compare two runs by stamp; ``thermal`` and ``visible`` are the image sizes (height, width)."""
    both = first.keys() & second.keys()
    pairs = [(first[stamp], second[stamp]) for stamp in both]
    found = [(a, b) for a, b in pairs if a is not None and b is not None]
    gaps = [corner_error(a, b, thermal, visible) for a, b in found]
    return RunAgreement(
        first=len(first),
        second=len(second),
        both=len(both),
        homographies=len(found),
        identical=sum(np.array_equal(a, b) for a, b in found),
        within=sum(gap <= AGREE_PX for gap in gaps),
        worst_px=max(gaps, default=0.0),
        contradicted=sum((a is None) != (b is None) for a, b in pairs),
    )
