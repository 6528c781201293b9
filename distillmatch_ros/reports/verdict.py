"""Verdict on the registration of a recording: reasons, observations and remedies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.bags.image_files import ERROR
from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.registration.rejection import CAUSES
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.movement import Movement, coverage
from distillmatch_ros.reports.recording import Entry, Recording

ENOUGH, FEW = 0.9, 0.6
"""Fraction of registered pairs from which on a recording is good, and below which it is poor."""
STEADY_PX = 6.0
"""Slip, and median scatter, up to which a rig counts as rigid, pixels of a visible image 640 px wide."""
SKEW_MS = 15.0
"""Median skew from which on clocks are mentioned, ms: at 30 km/h a car moves 12 cm in that time."""
UNPAIRED = 0.1
"""Fraction of a camera's images without a partner from which on it is mentioned."""
COVERED = 0.4
"""Fraction of the thermal image's cells with inliers below which the homography is an extrapolation."""
FROZEN = 0.1
"""Fraction of the pairs with a frozen thermal image from which on it counts; shutters close for less."""
RARE = 0.05
"""Fraction of the pairs that a threshold rejects, below which it is not mentioned."""
LONG_GAP = 10
"""Number of consecutive pairs without a homography from which on it is mentioned."""


class Level(StrEnum):
    """Overall verdict: PARTLY has gaps, in MOVES the thermal frame shifts in the visible image."""

    GOOD = "good"
    PARTLY = "partly"
    MOVES = "moves"
    POOR = "poor"
    EMPTY = "empty"


@dataclass(frozen=True)
class Advice:
    """An observation and a remedy.

    Attributes:
        topic: one or two words, such as ``clock``.
        seen: what was measured.
        remedy: what to try.
    """

    topic: str
    seen: str
    remedy: str


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
    problems: list[str]


def judge(recording: Recording, moved: Movement | None) -> Verdict:
    """Judge a recording.

    Args:
        recording: recording of any length.
        moved: see `movement`; None if unknown.
    """
    judged = [entry for entry in recording.entries if entry.judged]
    registered = sum(entry.registered for entry in judged)
    if not judged:
        given = {entry.status for entry in recording.entries} & {Status.FIXED.value, Status.HELD.value}
        headline = "No pair was registered from its own images, so there is nothing to assess."
        if given:
            headline = (
                "All pairs were mapped by a homography that was given, which their images neither confirm "
                "nor deny: register a part of the recording in mode live to assess it."
            )
        return Verdict(
            Level.EMPTY,
            headline,
            [_counted(recording.entries)] if recording.entries else ["The recording holds no pairs."],
            list(_advice(recording, judged, moved)),
        )
    fraction = registered / len(judged)
    reasons = [
        f"{registered} of {len(judged)} pairs ({fraction:.0%}) have a homography supported by their images."
    ]
    if registered < len(judged):
        reasons.append(f"The others: {_counted([entry for entry in judged if not entry.registered])}.")
    if moved is not None:
        reasons.append(
            f"The thermal corners stay within {moved.scatter:.1f} px of their local median position in the "
            f"median pair; over the recording that position shifts by {moved.slip:.1f} px."
        )
    moves = moved is not None and moved.enough and max(moved.slip, moved.scatter) > STEADY_PX
    frozen, total = recording.frozen.total(), len(recording.entries)
    if frozen:
        names = " and ".join(sorted(recording.frozen))
        reasons.append(f"Not judged: {frozen} of {total} pairs ({frozen / total:.0%}), {names}.")
    if _is_frozen(recording):
        level = Level.POOR if registered < FEW * (len(judged) + frozen) else Level.PARTLY
        headline = f"The {_camera_of(recording)} stream is frozen in a part of this recording."
    elif fraction < FEW:
        level, headline = Level.POOR, "Most of this recording should not be relied on."
        if fraction > 0.5:
            headline = "Too many pairs of this recording have no homography."
    elif moves and recording.changing_sizes:
        level, headline = Level.PARTLY, "Pairs register, but the images change their size."
    elif moves:
        level, headline = (
            Level.MOVES,
            "Pairs register, but the thermal frame shifts in the visible image.",
        )
    elif fraction < ENOUGH:
        level, headline = Level.PARTLY, "Most pairs register, with gaps."
    else:
        level, headline = Level.GOOD, "Registration worked throughout this recording."
    return Verdict(level, headline, reasons, list(_advice(recording, judged, moved)))


def _is_frozen(recording: Recording) -> bool:
    """Whether more of a stream is frozen than shutters explain."""
    return 0 < FROZEN * len(recording.entries) <= recording.frozen.total()


def _camera_of(recording: Recording) -> str:
    """The camera whose stream is frozen most often."""
    most = max(recording.frozen, key=recording.frozen.__getitem__)
    return "visible" if most == Status.STALE_VISIBLE else "thermal"


def _counted(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.status for entry in entries)
    return ", ".join(f"{number} {status}" for status, number in counts.most_common())


def _advice(recording: Recording, judged: Sequence[Entry], moved: Movement | None) -> Iterator[Advice]:
    yield from _about_clocks(recording)
    yield from _about_rejections(judged)
    if _is_frozen(recording):
        yield Advice(
            "frozen stream",
            f"{recording.frozen.total()} of {len(recording.entries)} pairs have a {_camera_of(recording)} "
            "image that no longer changes.",
            "The camera, its driver or its cable has stopped, or the view is covered; a shutter closes for "
            "less than a second. The timeline shows when.",
        )
    if sizes := recording.changing_sizes:
        yield Advice(
            "image size",
            f"The images change their size: {sizes}.",
            "With the size or the crop the homography changes too. Check the drivers: they should publish "
            "images of one size, and none of a few rows, which is a truncated image.",
        )
    elif moved is not None and moved.enough:
        yield from _about_mounting(moved)
    covered = coverage(judged)
    if covered is not None and covered < COVERED:
        yield Advice(
            "coverage",
            f"In the median pair inliers lie in {covered:.0%} of the thermal image; the homography is "
            "extrapolated over the rest.",
            "Trust the overlay where the coverage below is bright. More structure in view, or a warmer "
            "scene, spreads the matches.",
        )
    yield from _about_latency(recording)
    unread = sum(entry.status == ERROR for entry in recording.entries)
    if unread:
        yield Advice("files", f"{unread} pairs could not be read.", "The table gives the reasons.")


def _about_clocks(recording: Recording) -> Iterator[Advice]:
    skews = [entry.skew_ms for entry in recording.entries if entry.skew_ms is not None]
    if skews and abs(median := float(np.median(skews))) > SKEW_MS:
        range_ms = float(np.percentile(skews, 95) - np.percentile(skews, 5))
        later = "later" if median > 0 else "earlier"
        constant = range_ms < abs(median)
        yield Advice(
            "clock",
            f"Thermal images are stamped {abs(median):.0f} ms {later} than their visible partners (median; "
            f"nine in ten lie within {range_ms:.0f} ms of each other).",
            f"If the cameras expose simultaneously, set thermal_offset to {-median / 1e3:.3f}; otherwise "
            "trigger them together: moving objects are displaced by that time."
            if constant
            else "Trigger the cameras together, or raise their rates: the skew displaces moving objects.",
        )
    number, thermal = recording.frames.get("visible", 0), recording.frames.get("thermal", 0)
    unmatched = recording.dropped.get("visible unmatched", 0)
    slower = max(0, number - thermal)  # so many find no partner if the thermal camera is slower
    if number and (unmatched - slower) / number > UNPAIRED:
        yield Advice(
            "clock",
            f"{unmatched} of {number} visible images have no thermal image within the tolerance, and only "
            f"{slower} because that camera sends fewer.",
            "Compare the two clocks: raise tolerance, set thermal_offset, or pair by arrival.",
        )


def _about_rejections(judged: Sequence[Entry]) -> Iterator[Advice]:
    rejected = Counter(entry.status for entry in judged if not entry.registered)
    total = sum(rejected.values())
    if judged and total == len(judged) and total > 2:
        yield Advice(
            "wrong topic",
            "No pair was registered.",
            "Check in the pictures below that both cameras see the same scene, that neither image is "
            "mirrored or upside down, and that the topics are not swapped.",
        )
    reasons = Counter(entry.rejected_by.threshold for entry in judged if entry.rejected_by is not None)
    for threshold, number in reasons.most_common():
        if number >= RARE * len(judged):
            cause = CAUSES[threshold]
            seen = f"{number} of {len(judged)} pairs are rejected by {threshold}: {cause.sentence}."
            yield Advice(cause.topic, seen, cause.remedy)
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
            f"The thermal image is displaced by {moved.slip:.1f} px between parts of the recording.",
            "The chart of the rig's drift shows when. A scene whose distance changes displaces it along the "
            "line between the cameras, and back with the distance: calibrate learns the rig for that. A "
            "slipped bracket is a step that stays, thermal expansion a slope: tighten the mount, and "
            "calibrate again.",
        )
    elif moved.scatter > STEADY_PX:
        yield Advice(
            "parallax",
            f"The corners of the thermal image scatter by {moved.scatter:.1f} px from pair to pair.",
            "On a rigid rig the distance of the scene has this effect, and vibration or weak matches. Set "
            "smoothing, or calibrate on a distant scene and use mode fixed.",
        )


def _about_latency(recording: Recording) -> Iterator[Advice]:
    latencies = [entry.latency_ms for entry in recording.entries if entry.latency_ms is not None]
    times = [entry.seconds for entry in recording.entries if entry.seconds is not None]
    if not recording.live or len(latencies) < 2 or len(times) < 2:
        return
    latency, interval = Percentiles.of(latencies).median, 1e3 * float(np.median(np.diff(times)))
    if latency > 1.2 * interval:
        yield Advice(
            "latency",
            f"The node takes {latency:.0f} ms a pair, and pairs come every {interval:.0f} ms.",
            "Images are dropped meanwhile. Choose passes 1, more threads, a faster backend, or a lower rate.",
        )
