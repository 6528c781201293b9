"""Splits a drive by place into a part to train on and a part to validate on."""

from collections.abc import Sequence
from enum import Enum

import numpy as np

from distillmatch_ros.base.units import SECOND

_LONGEST_STEP = 1.0  # s; a robot that stands for longer has not come farther


class Split(Enum):
    """Parts of a drive."""

    TRAIN = "train"
    VAL = "val"


def split(stamps: Sequence[int], val: float, gap_seconds: float) -> list[Split | None]:
    """Split a drive: its end is for validation, and what lies closely before it is in neither part.

    Neighbouring frames show the same place; drawn at random, they would let a network be tested on what it
    learned. A pause, with a robot that stands, does not count as distance.

    Args:
        stamps: ascending, ns; of frames that differ.
        val: fraction of them for validation, in [0, 1].
        gap_seconds: least time between the last frame of the one part and the first one of the other, s.

    Returns:
        The part of each; None in the gap. All are for training if the gap leaves none of them.
    """
    steps = np.clip(np.diff(np.asarray(stamps, np.int64)) / SECOND, 0, _LONGEST_STEP)
    times = np.concatenate([[0.0], np.cumsum(steps)])[: len(stamps)]
    first = len(stamps) - round(val * len(stamps))
    if first == len(stamps):
        return [Split.TRAIN] * len(stamps)
    before = int(np.count_nonzero(times[:first] <= times[first] - gap_seconds))
    if before == 0 and first > 0:
        return [Split.TRAIN] * len(stamps)
    return [*[Split.TRAIN] * before, *[None] * (first - before), *[Split.VAL] * (len(stamps) - first)]
