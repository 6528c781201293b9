"""Accuracy of a rig by drive, on raw pairs without ground truth: what is left between edges, and matches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import HEADER, PairPaths, read_folder
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.learning import LearnedRig, Observation, learn
from distillmatch_ros.rig.quality import distances_from
from distillmatch_ros.rig.residuals import residuals


@dataclass(frozen=True)
class Left:
    """What a kind of mapping leaves, reference pixels; NaN if no pair tells.

    Attributes:
        edges_px: shift between blocks of edges, median over all blocks.
        edges_p90_px: its 90th percentile.
        matches_px: distance of matches, median over the pairs of each pair's median.
    """

    edges_px: float
    edges_p90_px: float
    matches_px: float


@dataclass(frozen=True)
class DriveAccuracy:
    """Accuracy on one drive.

    Attributes:
        drive: name of its folder.
        pairs: number of pairs.
        alone: number of those with a homography of their own.
        pair: what the pairs' own homographies leave, on the pairs that have one.
        rig: what the rig leaves, on the same pairs.
        rig_on_others: what it leaves on the pairs without a homography of their own.
    """

    drive: str
    pairs: int
    alone: int
    pair: Left
    rig: Left
    rig_on_others: Left


class LeftRecord(TypedDict):
    """`Left` as a JSON object; null for what no pair tells."""

    edges_px: float | None
    edges_p90_px: float | None
    matches_px: float | None


class DriveRecord(TypedDict):
    """`DriveAccuracy` as a JSON object."""

    drive: str
    pairs: int
    alone: int
    pair: LeftRecord
    rig: LeftRecord
    rig_on_others: LeftRecord


def drives_below(folder: Path) -> dict[str, list[PairPaths]]:
    """The drives of a folder: itself if it holds pairs, else those of its folders that do.

    Raises:
        DistillMatchError: there is none, or one is not a folder of pairs.
    """
    if any((folder / side).is_dir() for side in HEADER):
        return {folder.resolve().name: read_folder(folder)}
    below = sorted(each for each in folder.glob("*") if any((each / side).is_dir() for side in HEADER))
    if not below:
        raise DistillMatchError(
            f"{folder}: holds no drive; name a folder with visible/ and thermal/, or one with such folders"
        )
    return {each.name: read_folder(each) for each in below}


def observe_drive(
    registrar: Registrar, pairs: Sequence[PairPaths], on_pair: Callable[[], None] = lambda: None
) -> list[Observation]:
    """Register all pairs of a drive.

    Raises:
        DistillMatchError: an image cannot be read.
    """
    found = []
    for paths in pairs:
        pair = registrar.prepare(*read_pair(paths))
        found.append(Observation.of(pair, registrar.register_prepared(pair)))
        on_pair()
    return found


def evaluate_rig(drives: dict[str, list[Observation]], rig: LearnedRig | None = None) -> list[DriveAccuracy]:
    """Accuracy on each drive.

    Args:
        drives: pairs by drive, all of one rig.
        rig: the rig to evaluate. If None, one is learned for each drive from all other drives; of a single
            drive, each half is judged by the other.

    Raises:
        DistillMatchError: images differ in size, from each other or from the rig's, or there are too few.
    """
    thermal, visible = _sizes(drives)
    if rig is not None:
        rig.check(thermal, visible)
    rows = []
    for name, pairs in drives.items():
        parts: list[tuple[list[Observation], list[Observation]]]  # judged, and learned from
        if rig is not None:
            parts = [(pairs, [])]
        elif len(drives) > 1:
            parts = [(pairs, [pair for other, some in drives.items() if other != name for pair in some])]
        else:
            parts = [(pairs[::2], pairs[1::2]), (pairs[1::2], pairs[::2])]
        mapped = [
            (pair, used.register(pair))
            for judged, others in parts
            for used in [learn(others, thermal, visible) if rig is None else rig]
            for pair in judged
        ]
        rows.append(_accuracy(name, mapped))
    return rows


def record(accuracies: Sequence[DriveAccuracy]) -> list[DriveRecord]:
    """Accuracies as JSON objects."""
    return [
        {
            "drive": each.drive,
            "pairs": each.pairs,
            "alone": each.alone,
            "pair": _left_record(each.pair),
            "rig": _left_record(each.rig),
            "rig_on_others": _left_record(each.rig_on_others),
        }
        for each in accuracies
    ]


def _left_record(left: Left) -> LeftRecord:
    def known(px: float) -> float | None:
        return None if np.isnan(px) else round(px, 3)

    return {
        "edges_px": known(left.edges_px),
        "edges_p90_px": known(left.edges_p90_px),
        "matches_px": known(left.matches_px),
    }


def _sizes(drives: dict[str, list[Observation]]) -> tuple[Size, Size]:
    sizes = {(pair.thermal.shape, pair.visible.shape) for pairs in drives.values() for pair in pairs}
    if len(sizes) != 1:
        raise DistillMatchError(
            f"evaluate --rig: the images are of {len(sizes)} different sizes, but those of one rig are of "
            "one; "
            "evaluate each rig alone"
        )
    (height, width), (visible_height, visible_width) = next(iter(sizes))
    return (height, width), (visible_height, visible_width)


def _accuracy(name: str, mapped: Sequence[tuple[Observation, ImageMapping]]) -> DriveAccuracy:
    alone = [(pair, mapping) for pair, mapping in mapped if pair.mapping is not None]
    others = [(pair, mapping) for pair, mapping in mapped if pair.mapping is None]
    own = [(pair, pair.mapping) for pair, _ in alone if pair.mapping is not None]
    return DriveAccuracy(name, len(mapped), len(alone), _left(own), _left(alone), _left(others))


def _left(mapped: Sequence[tuple[Observation, ImageMapping]]) -> Left:
    shifts = [residuals([pair], lambda _, own=mapping: own) for pair, mapping in mapped]  # type: ignore[misc]
    edges: Float64 = np.hypot(*np.concatenate([np.zeros((0, 4)), *shifts])[:, 2:].T)
    gaps = [float(distances_from(mapping, [pair.matches])[0]) for pair, mapping in mapped]
    if len(edges) == 0:
        return Left(np.nan, np.nan, np.nan)
    return Left(float(np.median(edges)), float(np.percentile(edges, 90)), float(np.median(gaps)))
