"""Whether a rig explains pairs better than their own homographies do, on pairs it was not learned from.

Two halves of a drive judge each other. Where the rig does not hold (cameras that are not synchronised on a
moving robot, zoom, a loose mount, pairs of several rigs), the pairs' own homographies stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.learning import KnownRig, LearnedRig, Observation, evenly, learn
from distillmatch_ros.rig.obstacles import Differences, differences
from distillmatch_ros.rig.quality import distance_px, left_px

Kind = Literal["pair", "rig", "rig with a shift", "one homography"]

MIN_PAIRS = 8
"""Fewest pairs that can judge a rig: two halves of four."""
_JUDGES = 24  # most pairs that judge, evenly spread
_BETTER = 0.6  # fraction of pairs in which a kind of mapping has to fit better to replace the one before
_AS_GOOD = (1.25, 0.3)  # factor, and px: a rig whose edges are off by no more is as good as pairs alone
_FAR_LESS = 0.5  # fraction of what pairs leave: a rig that only mimics a zoom comes close to that, not below
_CLEARLY = (0.9, 0.1)  # factor, and px of edges: a rig has to leave less than that of one homography


@dataclass(frozen=True)
class FitFigures:
    """How well mappings fit pairs; medians over the pairs, reference pixels.

    Attributes:
        matches_px: distance of the network's matches from the mapping.
        edges_px: shift that is left between blocks of edges.
    """

    matches_px: float
    edges_px: float


@dataclass(frozen=True)
class Evidence:
    """What was found on pairs that were left out.

    Attributes:
        kind: what should map the pairs: each its own homography, or the rig.
        pairs: number of pairs that judged.
        figures: by kind, whichever was chosen; of one homography for all pairs if it was given.
        better: number of pairs in which the rig leaves less between edges than the pair's own homography.
        lasting: what should map all pairs of a drive, without their own homographies: the rig, or one
            homography where no rig is better.
        differences: by how much the pairs' own homographies differ, and what is against a rig where they do.
    """

    kind: Kind
    pairs: int
    figures: dict[Kind, FitFigures]
    better: int
    lasting: Kind
    differences: Differences

    @property
    def against(self) -> str | None:
        """Why one homography is to last, with both figures; None if the rig is."""
        if self.lasting != "one homography":
            return None
        reason = "" if self.differences.obstacle is None else f"{self.differences}. "
        if self.differences.no_rig_does:
            return f"{reason}Two cameras do not do this, unless one is far before the other"
        rigs = self.figures["rig"], self.figures["rig with a shift"]
        rig = min(rigs, key=lambda each: each.edges_px)
        other: Kind = "pair"
        if _is_as_good(rig.edges_px, self.figures["pair"].edges_px):
            other = "one homography"
        name = "one homography" if other == "one homography" else "the pairs' own homographies"
        than = self.figures[other]
        needs = ", and has to leave a tenth less of both" if other == "one homography" else ""
        return (
            f"{reason}on pairs left out, a rig leaves {rig.edges_px:.2f} px between edges and "
            f"{rig.matches_px:.2f} px "
            f"from matches, {name} {than.edges_px:.2f} and {than.matches_px:.2f} px{needs}"
        )

    def __str__(self) -> str:
        lines = [f"{self.kind}: on {self.pairs} pairs left out, the rig fits edges better in {self.better}"]
        lines += [
            f"  {kind}: {each.edges_px:.2f} px between edges, {each.matches_px:.2f} px from matches"
            for kind, each in self.figures.items()
        ]
        lines += [f"  {self.differences}"] if self.kind == "pair" and self.differences.obstacle else []
        return "\n".join(lines)


def judge(
    pairs: Sequence[Observation],
    thermal: Camera | Size,
    visible: Camera | Size,
    known: KnownRig | None = None,
    homography: ImageMapping | None = None,
) -> Evidence:
    """Judge whether a rig holds for pairs.

    Args:
        pairs: in the order of time.
        thermal: the thermal camera if it is calibrated, else the size of its images.
        visible: likewise.
        known: see `learn`.
        homography: one for all pairs, to be compared.

    Raises:
        DistillMatchError: there are too few pairs with a homography of their own.
    """
    own = [pair for pair in pairs if pair.mapping is not None]
    if len(own) < MIN_PAIRS:
        raise DistillMatchError(
            f"rig: {len(own)} of {len(pairs)} pairs have a homography of their own; at least {MIN_PAIRS} are "
            "needed to judge a rig, of different scenes"
        )
    rows: list[list[tuple[float, float]]] = []
    for learned_from, left_out in ((own[::2], own[1::2]), (own[1::2], own[::2])):
        rig = learn(learned_from, thermal, visible, known=known)
        judges = [left_out[index] for index in evenly(len(left_out), _JUDGES // 2)]
        rows += [_judged(pair, replace(rig, shifted=False), rig, homography) for pair in judges]
    table = np.array(rows)  # (pairs, kinds, figures)
    edges = table[..., 1]
    differ = differences([pair.mapping for pair in own if pair.mapping is not None])
    is_mimicked = differ.no_rig_does and not _is_far_better(edges)
    chosen = 0 if is_mimicked else _chosen(edges)
    lasting = 3 if is_mimicked else _lasting(table, chosen)
    kinds: tuple[Kind, ...] = ("pair", "rig", "rig with a shift", "one homography")
    figures = {
        kinds[row]: FitFigures(*np.median(table[:, row], axis=0).tolist()) for row in range(table.shape[1])
    }
    better = int((edges[:, chosen or 1] < edges[:, 0]).sum())
    return Evidence(kinds[chosen], len(table), figures, better, kinds[lasting], differ)


def _chosen(edges: Float64) -> int:
    """Column of what maps the pairs, by what each kind leaves between their edges, (pairs, kinds)."""
    if _is_better(edges[:, 1], edges[:, 0]):
        return 1 + int(_needs_shift(edges))
    return 2 if _is_better(edges[:, 2], edges[:, 0]) else 0


def _is_far_better(edges: Float64) -> bool:
    """Whether a rig leaves so much less than pairs that lenses or parallax speak for it."""
    pair, *rigs = np.median(edges[:, :3], axis=0)
    return bool(min(rigs) < _FAR_LESS * pair)


def _needs_shift(edges: Float64) -> bool:
    """Whether a shift of each pair is clearly better: two numbers more always bring some closer."""
    without, with_shift = np.median(edges[:, 1:3], axis=0)
    return _is_better(edges[:, 2], edges[:, 1]) and bool(with_shift < _CLEARLY[0] * without)


def _lasting(table: Float64, chosen: int) -> int:
    """Column of what lasts: a rig as good as pairs alone and better than one homography, or the latter."""
    edges = table[..., 1]
    rig = chosen or 1 + int(_needs_shift(edges))
    as_good = chosen != 0 or _is_as_good(np.median(edges[:, rig]), np.median(edges[:, 0]))
    return rig if as_good and (table.shape[1] == 3 or _pays(table[:, rig], table[:, 3])) else 3


def _is_as_good(rig_px: float, pair_px: float) -> bool:
    factor, more = _AS_GOOD
    return bool(rig_px <= factor * pair_px + more)


def _pays(rig: Float64, homography: Float64) -> bool:
    """Whether a rig leaves clearly less than one homography, by matches and by edges, (pairs, 2) each.

    Where it does not, eight numbers are enough. Edges alone do not decide: more numbers always bring some
    closer, and corners without edges farther away.
    """
    factor, less = _CLEARLY
    before, after = np.median(homography, axis=0), np.median(rig, axis=0)
    clearly = after[0] < factor * before[0] and after[1] < factor * before[1] - less
    return bool(clearly) and _is_better(rig[:, 1], homography[:, 1])


def _is_better(edges: Float64, others: Float64) -> bool:
    return bool((edges < others).mean() >= _BETTER)


def _judged(
    pair: Observation, plain: LearnedRig, shifted: LearnedRig, homography: ImageMapping | None
) -> list[tuple[float, float]]:
    assert pair.mapping is not None, "a pair without one judges nothing"
    mappings = [pair.mapping, plain.register(pair), shifted.register(pair)]
    mappings += [] if homography is None else [homography]
    return [_figures(pair, mapping) for mapping in mappings]


def _figures(pair: Observation, mapping: ImageMapping) -> tuple[float, float]:
    """Distance of matches, and of edges, from where a mapping takes them; see `distance_px`, `left_px`."""
    return distance_px(mapping, pair.matches), left_px(pair, mapping)
