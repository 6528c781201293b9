"""Verdict on the registration of a recording: reasons, observations and remedies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.advice import Advice, advice_on, camera_of, is_frozen
from distillmatch_ros.reports.movement import Movement
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.reports.rig import rig_sentences
from distillmatch_ros.rig.history import RigHistoryRecord
from distillmatch_ros.rig.obstacles import Obstacle

ENOUGH, FEW = 0.9, 0.6
"""Fraction of registered pairs from which on a recording is good, and below which it is poor."""
WRONG = 0.005
"""Greatest fraction of the pairs that lie far from the others in a recording that is good."""


class Level(StrEnum):
    """Overall verdict: PARTLY has gaps, in MOVES the thermal frame shifts in the visible image."""

    GOOD = "good"
    PARTLY = "partly"
    MOVES = "moves"
    POOR = "poor"
    EMPTY = "empty"


@dataclass(frozen=True)
class Verdict:
    """Assessment of a recording.

    Attributes:
        level: overall verdict.
        headline: the verdict as a sentence.
        reasons: the figures it is based on, as sentences.
        advice: observations and remedies; empty if there are none.
    """

    level: Level
    headline: str
    reasons: Sequence[str]
    advice: Sequence[Advice]


class AdviceRecord(TypedDict):
    """`Advice` as a JSON object."""

    topic: str
    seen: str
    remedy: str


class ReportRecord(TypedDict):
    """A verdict and its figures as a JSON object.

    Attributes:
        recording: file name of the recording.
        level: good, partly, moves, poor or empty.
        headline: the verdict as a sentence.
        reasons: the figures it is based on, as sentences.
        advice: observations and remedies.
        pairs: number of pairs.
        statuses: number of pairs by status.
        scatter_px: see `Movement.scatter`; None if unknown.
        slip_px: see `Movement.slip`; None if unknown.
        coverage: fraction of the thermal image with inliers in the median pair; None if unknown.
        rig: what the drive told of its rig; None if unknown.
        problems: descriptions of parts that could not be read or registered.
    """

    recording: str
    level: Literal["good", "partly", "moves", "poor", "empty"]
    headline: str
    reasons: list[str]
    advice: list[AdviceRecord]
    pairs: int
    statuses: dict[str, int]
    scatter_px: float | None
    slip_px: float | None
    coverage: float | None
    rig: RigHistoryRecord | None
    problems: list[str]


def judge(recording: Recording, moved: Movement | None) -> Verdict:
    """Judge a recording.

    Args:
        recording: recording of any length.
        moved: see `movement`; None if unknown.
    """
    judged = [entry for entry in recording.entries if entry.judged]
    advice = list(advice_on(recording, judged, moved))
    if not judged:
        counted = _counted(recording.entries) if recording.entries else "The recording holds no pairs."
        return Verdict(Level.EMPTY, _why_empty(recording), [counted, *rig_sentences(recording.rig)], advice)
    return Verdict(*_judged(recording, judged, moved), list(_reasons(recording, judged, moved)), advice)


def _reasons(recording: Recording, judged: Sequence[Entry], moved: Movement | None) -> Iterator[str]:
    """The figures that a verdict is based on."""
    registered, total = sum(entry.registered for entry in judged), len(recording.entries)
    fraction = registered / len(judged)
    yield f"{registered} of {len(judged)} pairs ({fraction:.0%}) have a homography supported by their images."
    if registered < len(judged):
        yield f"The others: {_counted([entry for entry in judged if not entry.registered])}."
    yield from rig_sentences(recording.rig)
    if moved is not None:
        where = "where the rig has them at the pair's own depth" if moved.by_rig else "their median position"
        yield (
            f"The thermal corners stay within {moved.scatter:.1f} px of {where} in the median pair; over the "
            f"recording that shifts by {moved.slip:.1f} px."
        )
    if moved is not None and moved.strays:
        strays = moved.strays
        yield f"{_pairs(len(strays), 'accepted')} {max(strays.values()):.0f} px from the rest."
    if frozen := recording.frozen.total():
        names = " and ".join(sorted(recording.frozen))
        yield f"Not judged: {frozen} of {total} pairs ({frozen / total:.0%}), {names}."


def _judged(recording: Recording, judged: Sequence[Entry], moved: Movement | None) -> tuple[Level, str]:
    """The level of a recording with pairs to judge, and its headline: of several faults the worst one's."""
    registered = sum(entry.registered for entry in judged)
    fraction = registered / len(judged)
    moves = moved is not None and moved.moves
    if is_frozen(recording):
        few = registered < FEW * (len(judged) + recording.frozen.total())
        headline = f"The {camera_of(recording)} stream is frozen in a part of this recording."
        return Level.POOR if few else Level.PARTLY, headline
    if 0.5 < fraction < FEW:
        return Level.POOR, "Too many pairs of this recording have no homography."
    if fraction < FEW:
        return Level.POOR, "Most of this recording should not be relied on."
    if moves and recording.changing_sizes:
        return Level.PARTLY, "Pairs register, but the images change their size."
    if knocks := recording.rig.knocks:
        px, degrees = knocks[0].distance_px or 0.0, knocks[0].turned_degrees or 0.0
        times = "" if len(knocks) == 1 else f", and {len(knocks) - 1} times more"
        what = f"The cameras moved against each other by {px:.0f} px and {degrees:+.1f} degrees"
        if knocks[0].obstacle == Obstacle.ZOOM:
            what = f"A camera zoomed, by {px:.0f} px at the corners"
        return Level.MOVES, f"{what}, found after {knocks[0].seconds:.1f} s{times}."
    if moves:
        return Level.MOVES, "Pairs register, but the thermal frame shifts in the visible image."
    if fraction < ENOUGH:
        return Level.PARTLY, "Most pairs register, with gaps."
    if moved is not None and (strays := moved.strays):
        level = Level.PARTLY if len(strays) > WRONG * len(judged) else Level.GOOD
        return level, f"Pairs register, but {_pairs(len(strays))} far from the rest."
    return Level.GOOD, "Registration worked throughout this recording."


def _pairs(number: int, which: str = "") -> str:
    """``1 accepted pair is``, or more of them ``are up to`` some distance away."""
    what = f"{which} pair".strip()
    return f"1 {what} is" if number == 1 else f"{number} {what}s are" + (" up to" if which else "")


def _why_empty(recording: Recording) -> str:
    given = {entry.status for entry in recording.entries} & {Status.FIXED.value, Status.HELD.value}
    if not given:
        return "No pair was registered from its own images, so there is nothing to assess."
    if not recording.rig.is_told:
        return (
            "All pairs were mapped by a homography that was given, which their images neither confirm nor "
            "deny: register a part of the recording in mode live to assess it."
        )
    if recording.rig.is_doubted:
        return "The calibration that was given is not supported by the images."
    return (
        "All pairs were mapped by the homography that was given; of those that were checked, one a second, "
        "none contradicts it."
    )


def _counted(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.status for entry in entries)
    return ", ".join(f"{number} {status}" for status, number in counts.most_common())
