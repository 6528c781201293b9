"""How often a stream is answered wrongly: streams of every hostile kind, with exact truth."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.accuracy import WRONG_PX
from distillmatch_ros.evaluation.hostile_streams import Kind, Moment, Scenery
from distillmatch_ros.evaluation.panning import THERMAL, VISIBLE, Place
from distillmatch_ros.evaluation.probability import calibration_error, reliability
from distillmatch_ros.evaluation.reference import reference_px
from distillmatch_ros.evaluation.warped import read_aligned
from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.visualisation.canvas import displayable

ALL = "all"
TRUE_PX = RIGHT_PX / 2
"""What a place's reference may be off, reference pixels, for errors of `RIGHT_PX` to be the answers' own."""
TRUE = f"{ALL}, references within {TRUE_PX:.0f} px"
COLUMNS = ("kind", "frames", "answered", "wrong", "longest s", "calibration", "reference px")
LEGEND = (
    f"answered: pairs with a mapping, whatever their status; wrong: of all pairs, answers more than "
    f"{WRONG_PX:.0f} px off, or to images of which none is right; longest: time for which each answer is; "
    "calibration: mean gap between the answers' probability and how many are within "
    f"{RIGHT_PX:.0f} px; reference: what edges move corners by from where the pair's own alignment has them, "
    "which counts in wrong and calibration; px of a visible image 640 wide"
)

_START = 10**18  # ns


@dataclass(frozen=True)
class Answer:
    """What was said of one pair.

    Attributes:
        seconds: time of the pair, s.
        status: its status.
        error_px: corner error of its mapping, reference pixels; infinite if none is right; None without one.
        probability: that the error is below `RIGHT_PX`; None if unknown.
    """

    seconds: float
    status: str
    error_px: float | None
    probability: float | None

    @property
    def is_wrong(self) -> bool:
        """Whether a mapping is given that is off."""
        return self.error_px is not None and self.error_px > WRONG_PX


@dataclass(frozen=True)
class Figures:
    """What became of some streams.

    Attributes:
        kind: their kind; `ALL` for all together; the name of a place for those of its pair; `TRUE`.
        frames: number of pairs.
        answered: fraction of the pairs with a mapping.
        wrong: fraction of the pairs with a wrong one.
        longest_s: longest time for which each answer was wrong, s.
        calibration_error: expected calibration error of the answers' probability; None without one.
        statuses: number of pairs by status.
        reference_px: of a place: distance by which edges move corners from where its reference has them,
            reference pixels; see `reference.reference_px`. None for kinds, and where nothing tells.
    """

    kind: str
    frames: int
    answered: float
    wrong: float
    longest_s: float
    calibration_error: float | None
    statuses: dict[str, int]
    reference_px: float | None = None

    @classmethod
    def of(
        cls, kind: str, streams: Sequence[Sequence[Answer]], reference_px: float | None = None
    ) -> "Figures":
        """Summarise the answers of some streams."""
        answers = [answer for stream in streams for answer in stream]
        given = [answer for answer in answers if answer.error_px is not None]
        known = [(a.probability, a.error_px < RIGHT_PX) for a in given if a.probability is not None]  # type: ignore[operator]
        gap = None
        if known:
            probabilities, right = np.array(known, np.float64).T
            gap = calibration_error(reliability(probabilities, right))
        number = max(1, len(answers))
        return cls(
            kind,
            len(answers),
            len(given) / number,
            sum(answer.is_wrong for answer in answers) / number,
            max((longest_wrong_s(stream) for stream in streams), default=0.0),
            gap,
            dict(Counter(answer.status for answer in answers).most_common()),
            reference_px,
        )


def read_place(pair: PairPaths, seed: int) -> Place:
    """The place of an aligned pair.

    Raises:
        DistillMatchError: an image cannot be read, or the pair is not aligned.
    """
    visible, thermal = read_aligned(pair)
    return Place(displayable(visible), to_8bit(thermal), seed)


def run(
    registrar: Registrar,
    places: Mapping[str, Place],
    kinds: Sequence[Kind],
    settings: Callable[[Kind], StreamSettings],
    seconds: float,
    on_stream: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Figures]:
    """Register streams of each kind at each place, and summarise them: by kind, all together, by place.

    Args:
        registrar: registrar of all streams.
        places: by name; at least two for kinds that show another place too.
        kinds: kinds of streams.
        settings: settings of the streams of a kind.
        seconds: length of each stream, s.
        on_stream: called after each stream, for a progress bar.
        stop: polled after each pair; True ends with the streams so far.
    """
    stills, streams = list(places.values()), _Streams({}, {})
    for kind, (number, name) in product(kinds, enumerate(places)):
        scenery = Scenery(stills[number], stills[(number + 1) % len(stills)], number, seconds)
        answers = []
        for answer in answers_to(Stream(registrar, settings(kind)), kind.moments(scenery)):
            answers.append(answer)
            if stop():
                return streams.summarised(places)
        streams.by_kind.setdefault(kind.name, []).append(answers)
        streams.by_place.setdefault(name, []).append(answers)
        on_stream()
    return streams.summarised(places)


@dataclass(frozen=True)
class _Streams:
    """The answers of streams, by their kind and by their place."""

    by_kind: dict[str, list[list[Answer]]]
    by_place: dict[str, list[list[Answer]]]

    def summarised(self, places: Mapping[str, Place]) -> list[Figures]:
        if not self.by_kind:
            return []
        kinds = [Figures.of(*one) for one in self.by_kind.items()]
        off = {name: reference_px(places[name]) for name in self.by_place}
        every = [Figures.of(name, streams, off[name]) for name, streams in self.by_place.items()]
        true = [name for name, px in off.items() if px is not None and px <= TRUE_PX]
        together = [Figures.of(ALL, _flat(self.by_place, self.by_place))]
        if 0 < len(true) < len(off):
            together.append(Figures.of(TRUE, _flat(self.by_place, true)))
        return [*kinds, *together, *every]


def _flat(by_place: Mapping[str, list[list[Answer]]], names: Iterable[str]) -> list[list[Answer]]:
    return [answers for name in names for answers in by_place[name]]


def answers_to(stream: Stream, moments: Iterator[Moment]) -> Iterator[Answer]:
    """What a stream says of each pair."""
    for moment in moments:
        stamp = _START + round(moment.seconds * SECOND)
        frames = (
            Frame(moment.visible, "bgr8", stamp, "visible"),
            Frame(moment.thermal, "mono8", stamp, "thermal"),
        )
        found = stream.process(*frames).registration
        error = None
        if found.homography is not None:
            error = np.inf
            if moment.truth is not None:
                error = corner_error(found.homography, moment.truth, THERMAL, VISIBLE)
        yield Answer(moment.seconds, found.status.value, error, found.probability)


def longest_wrong_s(answers: Sequence[Answer]) -> float:
    """Longest time for which each answer is wrong, s: from the first of them to the next one that is not."""
    longest = 0.0
    since: float | None = None
    for answer in answers:
        if answer.is_wrong and since is None:
            since = answer.seconds
        if since is not None:
            longest = max(longest, answer.seconds - since)
        if not answer.is_wrong:
            since = None
    return longest


def rows(figures: Sequence[Figures]) -> list[list[str]]:
    """Figures as text, by `COLUMNS`."""
    return [
        [
            each.kind,
            str(each.frames),
            f"{each.answered:.1%}",
            f"{each.wrong:.2%}",
            f"{each.longest_s:.1f}",
            "-" if each.calibration_error is None else f"{each.calibration_error:.3f}",
            "" if each.reference_px is None else f"{each.reference_px:.1f}",
        ]
        for each in figures
    ]
