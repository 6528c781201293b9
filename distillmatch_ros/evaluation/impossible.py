"""How often a pair is accepted that no homography registers: of two places, mirrored, under one display.

Whatever is found for such a pair is wrong, so that nothing but the gate has to be right. The images are those
of aligned pairs; the thermal one is seen as in the trials of an evaluation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.hostile_streams import OVERLAYS, turned
from distillmatch_ros.evaluation.statistics import upper_bound
from distillmatch_ros.evaluation.warped import PRESETS, read_aligned, trials
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.visualisation.canvas import displayable

KINDS = ("another place", "another place, marks", "mirrored or turned", "mirrored or turned, marks")
"""Kinds of impossible pairs: with marks, one display, logo or bonnet is burnt into both images."""
ALL = "all"
COLUMNS = ("kind", "pairs", "accepted", "at most")
LEGEND = (
    "pairs that no homography registers; at most: greatest fraction that would be accepted among many more, "
    "with a confidence of 95 %, if pairs were independent"
)
COARSE, SAME_PLACE = (64, 48), 0.25
"""Size at which visible images are compared, and the correlation above which they show the same place."""

Image = NDArray[Any]


@dataclass(frozen=True)
class Accepted:
    """An impossible pair for which a homography was given.

    Attributes:
        kind: its kind.
        visible: the visible image as listed.
        thermal: the thermal image as listed.
        probability: that of the homography; None if unknown.
    """

    kind: str
    visible: str
    thermal: str
    probability: float | None


@dataclass(frozen=True)
class Figures:
    """What became of the impossible pairs of one kind.

    Attributes:
        kind: their kind; `ALL` for all together.
        pairs: number of pairs.
        accepted: those for which a homography was given.
        at_most: upper bound of the fraction that is accepted, at 95 % confidence for independent pairs.
    """

    kind: str
    pairs: int
    accepted: tuple[Accepted, ...]
    at_most: float

    @classmethod
    def of(cls, kind: str, pairs: int, accepted: Sequence[Accepted]) -> "Figures":
        """Summarise some pairs."""
        return cls(kind, pairs, tuple(accepted), upper_bound(len(accepted), pairs))


def same_place(visible: Image, other: Image) -> bool:
    """Whether two visible images show the same place from a similar position, as frames of one drive may."""
    coarse = [
        cv2.resize(to_8bit(to_grey(image)), COARSE, interpolation=cv2.INTER_AREA)
        for image in (visible, other)
    ]
    fine = [
        image.astype(np.float32) - cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3) for image in coarse
    ]
    return float(np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1]) > SAME_PLACE


def count(
    registrar: Registrar,
    pairs: Sequence[PairPaths],
    number: int,
    seed: int = 0,
    search: bool = False,
    on_pair: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Figures]:
    """Register impossible pairs, and count those that are accepted.

    Args:
        registrar: registrar with the network.
        pairs: aligned pairs of several places that the network was not trained on.
        number: impossible pairs of each kind.
        seed: seed of what is drawn.
        search: whether to search for other scales and rotations, as `match` does for each pair, and streams
            after some pairs without a homography; without, doubtful pairs are aligned once more, as in
            streams. See `Registrar.register`.
        on_pair: called after each impossible pair, for a progress bar.
        stop: polled after each; True ends with those so far.

    Returns:
        Figures of each kind, and of all together.

    Raises:
        DistillMatchError: an image cannot be read, a pair is not aligned, or all show the same place.
    """
    numbers = dict.fromkeys(KINDS, 0)
    accepted: list[Accepted] = []
    for index in range(number):
        for kind, names, visible, thermal in _drawn(pairs, np.random.default_rng([seed, index]), index):
            found = registrar.register(visible, thermal, search=search, verify=True, restart=not search)
            numbers[kind] += 1
            if found.homography is not None:
                accepted.append(Accepted(kind, *names, found.probability))
            on_pair()
            if stop():
                return _summarised(numbers, accepted)
    return _summarised(numbers, accepted)


def _summarised(numbers: dict[str, int], accepted: Sequence[Accepted]) -> list[Figures]:
    by_kind = [
        Figures.of(kind, pairs, [each for each in accepted if each.kind == kind])
        for kind, pairs in numbers.items()
    ]
    return [*by_kind, Figures.of(ALL, sum(numbers.values()), accepted)]


def _drawn(
    pairs: Sequence[PairPaths], rng: np.random.Generator, index: int
) -> Iterator[tuple[str, tuple[str, str], Image, Image]]:
    """One impossible pair of each kind, with the names of its images."""
    own = pairs[index % len(pairs)]
    visible, thermal = read_aligned(own)
    other, elsewhere = _elsewhere(pairs, rng, own, visible)
    preset, seed, seconds = PRESETS[index % len(PRESETS)], int(rng.integers(2**31)), float(rng.uniform(0, 60))
    far, near = (
        to_8bit(next(trials(visible, heat, name.visible.stem, preset, seed, 1)).thermal)
        for name, heat in ((other, elsewhere), (own, thermal))
    )
    draw, seen = OVERLAYS[index % len(OVERLAYS)], displayable(visible)
    for kinds, name, view in ((KINDS[:2], other, far), (KINDS[2:], own, turned(near)[rng.integers(3)])):
        names = own.listed_as[0], name.listed_as[1]
        yield kinds[0], names, seen, view
        marked = seen.copy(), view.copy()
        for image in marked:
            draw(image, seconds)
        yield kinds[1], names, *marked


def _elsewhere(
    pairs: Sequence[PairPaths], rng: np.random.Generator, own: PairPaths, visible: Image
) -> tuple[PairPaths, Image]:
    """A pair of another place, and its thermal image."""
    for candidate in rng.permutation(len(pairs)):
        other, thermal = read_aligned(pairs[candidate])
        if not same_place(visible, other):
            return pairs[candidate], thermal
    raise DistillMatchError(f"{own.visible}: all pairs show the same place; give pairs of several places")


def rows(figures: Sequence[Figures]) -> list[list[str]]:
    """Figures as text, by `COLUMNS`."""
    return [[each.kind, str(each.pairs), str(len(each.accepted)), f"{each.at_most:.2%}"] for each in figures]
