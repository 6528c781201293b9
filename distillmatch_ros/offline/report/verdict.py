"""Whether a recording was registered well, in plain words: the reasons, and what to do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.base.units import Spread
from distillmatch_ros.offline.image_files import ERROR
from distillmatch_ros.offline.report.movement import Movement, coverage
from distillmatch_ros.offline.report.recording import Entry, Recording

ENOUGH, FEW = 0.9, 0.6
"""Fraction of the pairs registered from which on a recording is good, and below which it is poor."""
STEADY_PX = 6.0
"""Slip, and scatter of the median pair, up to which a rig is at rest. In a visible image 640 px wide."""
SKEW_MS = 15.0
"""Median skew from which on clocks are mentioned: at 30 km/h a car moves 12 cm meanwhile."""
UNPAIRED = 0.1
"""Fraction of a camera's images without a partner from which on it is mentioned."""
COVERED = 0.4
"""Fraction of the thermal image's cells with inliers below which the rest is extrapolation."""
LONG_GAP = 10
"""Pairs in a row without a homography that are worth a remark."""


class Level(str, Enum):
    """What a recording is worth, in a word."""

    GOOD = "good"
    MOVES = "moves"
    POOR = "poor"
    EMPTY = "empty"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Advice:
    """What was noticed, and what may help.

    Attributes:
        topic: in a word or two, such as ``clock``.
        seen: what was measured.
        remedy: what to try.
    """

    topic: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class Verdict:
    """What to think of a recording.

    Attributes:
        level: in a word.
        headline: in a sentence.
        reasons: the figures that it rests on.
        advice: what to do; empty where nothing stood out.
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
        recording: its file name.
        level: good, moves, poor or empty.
        headline: the verdict in a sentence.
        reasons: the figures that it rests on, in words.
        advice: what to do.
        pairs: of the recording.
        statuses: pairs by status.
        scatter_px: see `Movement.scatter`; None where it is not known.
        slip_px: see `Movement.slip`; likewise.
        coverage: fraction of the thermal image with inliers in the median pair; likewise.
    """

    recording: str
    level: Literal["good", "moves", "poor", "empty"]
    headline: str
    reasons: list[str]
    advice: list[AdviceRecord]
    pairs: int
    statuses: dict[str, int]
    scatter_px: float | None
    slip_px: float | None
    coverage: float | None


def judge(recording: Recording, moved: Movement | None) -> Verdict:
    """Judge a recording.

    Args:
        recording: of any length.
        moved: see `movement`; None where that is not known.
    """
    judged = [entry for entry in recording.entries if entry.judged]
    registered = sum(entry.registered for entry in judged)
    if not judged:
        return Verdict(
            Level.EMPTY,
            "No pair was registered from its own images, so there is nothing to judge.",
            [_counted(recording.entries)] if recording.entries else ["The recording holds no pairs."],
            list(_advice(recording, judged, moved)),
        )
    fraction = registered / len(judged)
    reasons = [
        f"{registered} of {len(judged)} pairs ({fraction:.0%}) have a homography that their images support."
    ]
    if registered < len(judged):
        reasons.append(f"The others: {_counted([entry for entry in judged if not entry.registered])}.")
    if moved is not None:
        reasons.append(
            f"The corners of the thermal image stay within {moved.scatter:.1f} px of their place in the "
            "median "
            f"pair; over the recording that place shifts by {moved.slip:.1f} px."
        )
    moves = moved is not None and max(moved.slip, moved.scatter) > STEADY_PX
    if fraction < FEW:
        level, headline = Level.POOR, "Most of this recording should not be relied on."
        if fraction > 0.5:
            headline = "Too many pairs of this recording have no homography."
    elif moves:
        level, headline = Level.MOVES, "Pairs register, but the two cameras do not keep their place."
    elif fraction < ENOUGH:
        level, headline = Level.MOVES, "Most pairs register, with gaps."
    else:
        level, headline = Level.GOOD, "Registration worked throughout this recording."
    return Verdict(level, headline, reasons, list(_advice(recording, judged, moved)))


def _counted(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.status for entry in entries)
    return ", ".join(f"{number} {status}" for status, number in counts.most_common())


def _advice(recording: Recording, judged: Sequence[Entry], moved: Movement | None) -> Iterator[Advice]:
    yield from _about_clocks(recording)
    yield from _about_rejections(judged)
    if moved is not None:
        yield from _about_mounting(moved)
    covered = coverage(judged)
    if covered is not None and covered < COVERED:
        yield Advice(
            "coverage",
            f"In the median pair inliers lie in {covered:.0%} of the thermal image; the homography is "
            "extrapolated over the rest.",
            "Trust the overlay where the coverage below is bright. More structure in view, or a warmer "
            "scene, "
            "spreads the matches.",
        )
    yield from _about_latency(recording)
    unread = sum(entry.status == ERROR for entry in recording.entries)
    if unread:
        yield Advice("files", f"{unread} pairs could not be read.", "Their rows in the table say why.")


def _about_clocks(recording: Recording) -> Iterator[Advice]:
    skews = [entry.skew_ms for entry in recording.entries if entry.skew_ms is not None]
    if skews and abs(median := float(np.median(skews))) > SKEW_MS:
        spread = float(np.percentile(skews, 95) - np.percentile(skews, 5))
        later = "later" if median > 0 else "earlier"
        constant = spread < abs(median)
        yield Advice(
            "clock",
            f"Thermal images are stamped {abs(median):.0f} ms {later} than their visible partners (median; "
            "nine "
            f"in ten lie within {spread:.0f} ms of each other).",
            f"If the cameras expose at one time, set thermal_offset to {-median / 1e3:.3f}; else trigger "
            "them "
            "together: what moves is displaced by that time."
            if constant
            else "Trigger the cameras together, or raise their rates: what moves is displaced by the skew.",
        )
    for side, number in recording.frames.items():
        unmatched = recording.dropped.get(f"{side} unmatched", 0)
        if number and unmatched / number > UNPAIRED and side == "visible":
            yield Advice(
                "clock",
                f"{unmatched} of {number} {side} images found no thermal image near enough in time.",
                "If the thermal camera is slower, that is its rate. Otherwise compare the two clocks: raise "
                "tolerance, set thermal_offset, or pair by arrival.",
            )


def _about_rejections(judged: Sequence[Entry]) -> Iterator[Advice]:
    rejected = Counter(entry.status for entry in judged if not entry.registered)
    total = sum(rejected.values())
    if judged and total == len(judged) and total > 2:
        yield Advice(
            "wrong topic",
            "Not one pair was registered.",
            "See in the pictures below that both cameras look at one scene, that neither image is mirrored "
            "or "
            "upside down, and that the topics are not swapped.",
        )
    remedies = {
        "FEW_MATCHES": Advice(
            "thermal contrast",
            "{} found too few matches.",
            "Look at these pairs below: darkness, fog or an evenly warm scene leave one of the images "
            "empty. A "
            "lens out of focus or a shutter in front of the sensor looks alike.",
        ),
        "FEW_INLIERS": Advice(
            "parallax",
            "{} have matches that agree on no homography.",
            "One homography holds for one depth: near things seen by cameras far apart break it. Mount the "
            "cameras closer together, or look farther away; if all pairs are like that, check that the "
            "topics "
            "belong together.",
        ),
        "DEGENERATE": Advice(
            "mounting",
            "{} have matches in too small a part of the image, or a homography that no camera pair has.",
            "The views may overlap too little, or one camera may be turned: see that both look the same way.",
        ),
    }
    for status, number in rejected.most_common():
        if status in remedies and number >= 0.05 * len(judged):
            advice = remedies[status]
            yield Advice(advice.topic, advice.seen.format(f"{number} of {len(judged)} pairs"), advice.remedy)
    longest = max(
        (len(list(run)) for bad, run in groupby(judged, lambda e: not e.registered) if bad), default=0
    )
    if longest >= LONG_GAP and total < len(judged):
        yield Advice(
            "gaps",
            f"{longest} pairs in a row have no homography.",
            "Mode hold keeps the last good one for hold_seconds; a rigid rig can be calibrated and fixed.",
        )


def _about_mounting(moved: Movement) -> Iterator[Advice]:
    if moved.slip > STEADY_PX and moved.slip > 2 * moved.scatter:
        yield Advice(
            "mounting",
            f"The thermal image lies {moved.slip:.1f} px elsewhere in one part of the recording than in "
            "another.",
            "See in the drift of the rig when: a bracket that slipped shows as a step, warming up as a "
            "slope. "
            "Tighten it, and calibrate again.",
        )
    elif moved.scatter > STEADY_PX:
        yield Advice(
            "parallax",
            f"The corners of the thermal image scatter by {moved.scatter:.1f} px from pair to pair.",
            "A rigid rig does that where the distance of what it sees changes; vibration and weak matches "
            "look "
            "alike. Set smoothing, or calibrate on a distant scene and use mode fixed.",
        )


def _about_latency(recording: Recording) -> Iterator[Advice]:
    latencies = [entry.latency_ms for entry in recording.entries if entry.latency_ms is not None]
    times = [entry.seconds for entry in recording.entries if entry.seconds is not None]
    if not recording.live or len(latencies) < 2 or len(times) < 2:
        return
    latency, interval = Spread.of(latencies).median, 1e3 * float(np.median(np.diff(times)))
    if latency > 1.2 * interval:
        yield Advice(
            "latency",
            f"The node takes {latency:.0f} ms a pair, and pairs come every {interval:.0f} ms.",
            "Images are dropped meanwhile. Choose passes 1, more threads, a faster backend, or a lower rate.",
        )
