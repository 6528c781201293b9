"""Advice on a recording: what was measured, and what to try."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from distillmatch_ros.bags.image_files import ERROR
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.registration.rejection import CAUSES
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.movement import Movement, coverage
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import RigHistory
from distillmatch_ros.rig.obstacles import Obstacle

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

SHOWN = 5
"""Most pairs that are listed by their numbers."""


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


_FOUND = {
    Finding.MOVED: (
        "mounting",
        "Tighten the mount. A calibration or a rig's file of before no longer fits: calibrate again.",
    ),
    Finding.DRIFTED: (
        "mounting",
        "Look for a loose screw, and let the cameras warm up before they are calibrated; calibrate again.",
    ),
    Finding.CONTRADICTED: ("calibration", "Calibrate again: the mount has moved, or it is of another rig."),
    Finding.UNSUPPORTED: ("calibration", "Check that the file is of these cameras, and calibrate again."),
    Finding.UNUSABLE: ("calibration", "Name the file of these cameras in rig_file, or none."),
    Finding.LATE: ("clock", "Set thermal_offset as it says, and register again."),
}
"""Topic and remedy of what was found about the rig, for what asks for one."""


_OBSTACLES: Mapping[str, tuple[str, str]] = {
    Obstacle.ZOOM: (
        "zoom",
        "Fix zoom and focus of both cameras, and switch off what enlarges or stabilises pictures in their "
        "drivers: a rig has one focal length each. Until then pairs are registered one by one.",
    ),
    Obstacle.SEVERAL: (
        "several rigs",
        "Register the drives of each rig, and of each mounting of it, alone.",
    ),
    Obstacle.MOUNT: (
        "mounting",
        "Tighten the mount: the cameras move against each other while they record.",
    ),
    Obstacle.TIME: (
        "clock",
        "Trigger the cameras together, or set thermal_offset: while the robot turns, each pair is displaced "
        "by what it turns in between.",
    ),
}
"""Topic and remedy of what keeps pairs from being those of one rig."""


def advice_on(recording: Recording, judged: Sequence[Entry], moved: Movement | None) -> Iterator[Advice]:
    yield from _about_rig(recording.rig)
    yield from _about_clocks(recording)
    yield from _about_rejections(judged)
    if is_frozen(recording):
        yield Advice(
            "frozen stream",
            f"{recording.frozen.total()} of {len(recording.entries)} pairs have a {camera_of(recording)} "
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
    elif moved is not None:
        if moved.moves and not recording.rig.knocks and recording.rig.obstacle is None:
            yield from _about_mounting(moved)
        yield from _about_strays(moved, recording.rig)
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


def _about_rig(told: RigHistory) -> Iterator[Advice]:
    for event in told.events:
        if event.finding in _FOUND and event.obstacle is None:
            topic, remedy = _FOUND[Finding(event.finding)]
            yield Advice(topic, f"After {event.seconds:.1f} s: {event.sentence}.", remedy)
    against = told.obstacle
    if against is not None and (found := _OBSTACLES.get(against.obstacle or "")) is not None:
        topic, remedy = found
        yield Advice(topic, f"After {against.seconds:.1f} s: {against.sentence}.", remedy)


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
    contradicted = 2 * rejected[Status.CONTRADICTED.value] > total  # such images do agree, elsewhere
    if judged and total == len(judged) and total > 2 and not contradicted:
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


def _about_strays(moved: Movement, told: RigHistory) -> Iterator[Advice]:
    if strays := moved.strays:
        rig = "use mode rig, which they contradict"
        if told.mode == "rig":
            rig = "name the rig's file in rig_file, so that it is known from the first pair on"
        shown = ", ".join(f"{number} ({px:.0f} px)" for number, px in list(strays.items())[:SHOWN])
        more = f" and {len(strays) - SHOWN} more" if len(strays) > SHOWN else ""
        yield Advice(
            "outliers",
            f"Accepted, but far from the pairs before and after: {shown}{more}.",
            "Look at their pictures. Wrong pairs are often the least probable: raise min_probability, or "
            f"{rig}.",
        )


def _about_mounting(moved: Movement) -> Iterator[Advice]:
    """Why the thermal image moves in the visible one."""
    slips = moved.slip > moved.steady_px
    if moved.differ is not None and moved.differ.no_rig_does:
        topic, remedy = _OBSTACLES[Obstacle.ZOOM]
        yield Advice(topic, f"The pairs' own homographies tell a {moved.differ}.", remedy)
    elif moved.by_rig and slips:
        yield Advice(
            "mounting",
            f"Against the rig, at each pair's own depth, the thermal image shifts by {moved.slip:.1f} px "
            "between parts of the recording.",
            "The mount gives, or warms up; the chart of the rig's drift shows when. Tighten it, and let the "
            "cameras warm up before a calibration.",
        )
    elif moved.by_rig:
        yield Advice(
            "rig",
            f"The median pair lies {moved.scatter:.1f} px from the rig.",
            "It was learned from few scenes, or from ones that look alike: calibrate over several drives, "
            "and name its file in rig_file.",
        )
    elif slips and moved.slip > 2 * moved.scatter:
        yield Advice(
            "mounting",
            f"The thermal image is displaced by {moved.slip:.1f} px between parts of the recording.",
            "The chart of the rig's drift shows when. A scene whose distance changes displaces it along the "
            "line between the cameras, and back with the distance: calibrate learns the rig for that. A "
            "slipped bracket is a step that stays, thermal expansion a slope: tighten the mount, and "
            "calibrate again.",
        )
    else:
        yield Advice(
            "parallax",
            f"The corners of the thermal image scatter by {moved.scatter:.1f} px from pair to pair.",
            "On a rigid rig the distance of the scene has this effect, and vibration or weak matches. A "
            "known rig maps each pair at its own depth: calibrate over several drives, and name its file in "
            "rig_file.",
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


def is_frozen(recording: Recording) -> bool:
    """Whether more of a stream is frozen than shutters explain."""
    return 0 < FROZEN * len(recording.entries) <= recording.frozen.total()


def camera_of(recording: Recording) -> str:
    """The camera whose stream is frozen most often."""
    most = max(recording.frozen, key=recording.frozen.__getitem__)
    return "visible" if most == Status.STALE_VISIBLE else "thermal"
