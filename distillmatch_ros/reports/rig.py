"""What a drive told of its rig, in plain words and figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import RigHistory
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.obstacles import Obstacle
from distillmatch_ros.rig.uncertainty import map_deviations

FIRST_ANSWER = 11
"""Passes after which a rig can be known at the earliest: six of the fit, and five that judge it."""


@dataclass(frozen=True, eq=False)
class RigFigures:
    """The rig of a drive for its page.

    Attributes:
        sentences: which rig was used, when it was known, and what happened to it.
        rows: name and value of each figure; empty without a rig.
        events: time and sentence of each event.
    """

    sentences: list[str]
    rows: list[tuple[str, str]]
    events: list[tuple[str, str]]


def rig_figures(told: RigHistory) -> RigFigures | None:
    """What a drive told of its rig; None if it told nothing."""
    if not told.is_told:
        return None
    events = [(f"{event.seconds:.1f} s", event.sentence) for event in told.events]
    rows = [] if told.rig is None else list(_rows(told.rig))
    return RigFigures(rig_sentences(told), rows, events)


def rig_sentences(told: RigHistory) -> list[str]:
    """Which rig was used, when it was known, and what happened to it; empty if nothing was told."""
    if not told.is_told:
        return []
    file = "" if told.file is None else Path(told.file).name
    if told.mode == "fixed":
        kind = "The rig" if told.rig is not None else "One homography"
        how = ", each at its own depth" if told.rig is not None else ""
        return [f"{kind} of {file} mapped all pairs{how}, without the network (mode fixed)."]
    if told.mode != "rig":
        return [f"Mode {told.mode}: each pair was registered by itself, and no rig is learned."]
    return [*_knocked(told), _used(told, file)]


def _used(told: RigHistory, file: str) -> str:
    known = told.known
    if known is None:
        if told.knocks:
            return "No rig was known again before the end of the drive."
        against = [event for event in told.events if event.finding in (Finding.NO_RIG, Finding.UNUSABLE)]
        reason = f"it takes {FIRST_ANSWER} passes over different scenes"
        if against:
            reason = against[-1].sentence.split(": ", 1)[-1]
        if against and (px := against[-1].distance_px) is not None:
            reason = f"the last one that was tried lay {px:.0f} px from the pairs that judged it"
        return f"No rig was known, and each pair was registered by itself: {reason}."
    since = f"after {known.passes} {'pass' if known.passes == 1 else 'passes'}, {known.seconds:.1f} s"
    if told.knocks:
        which = f"A new rig was known {since} into the drive"
    elif told.passes:
        which = f"The rig was learned in this drive, and known {since} into it"
    else:
        which = f"The rig of {file} was confirmed {since} into the drive"
    changed = told.changed_use
    since = "From then on" if changed is None else f"From {changed.seconds:.1f} s on"
    if told.use == "guards":
        return (
            f"{which}. {since} the pairs' own homographies fit edges better, and stay; the rig maps those "
            "pairs that fail alone, and guards the others."
        )
    return f"{which}. {since} it maps every pair, at the pair's own depth."


def _knocked(told: RigHistory) -> Iterator[str]:
    for knock in told.knocks:
        px, degrees = knock.distance_px or 0.0, knock.turned_degrees or 0.0
        what = (
            f"a camera had zoomed, which moves corners by {px:.0f} px"
            if knock.obstacle == Obstacle.ZOOM
            else f"the cameras had moved against each other: by {px:.0f} px, turned by {degrees:+.1f} degrees"
        )
        yield f"After {knock.seconds:.1f} s it was found that {what}."


def _rows(rig: LearnedRig) -> Iterator[tuple[str, str]]:
    model = rig.model
    turns = np.degrees(np.asarray(cv2.Rodrigues(model.T_visible_thermal.rotation)[0]).ravel())
    names = ("up or down", "left or right", "about the axis")
    for degrees, name in zip(turns, names, strict=True):
        yield f"cameras turned {name}", f"{degrees:+.2f} degrees"
    if model.tells_lengths:
        yield "distance of the lenses", f"{np.linalg.norm(model.T_visible_thermal.translation):.3f} m"
    for name, camera in (("visible", model.visible), ("thermal", model.thermal)):
        origin = model.origins.get(f"{name} focal length", "measured")
        yield f"{name} focal length", f"{camera.matrix[0, 0]:.0f} px ({origin})"
        origin = model.origins.get(f"{name} distortion", "measured")
        bend = distortion(camera)[-1][1]
        if np.isfinite(bend):  # else a corner lies beyond the lens model
            yield f"{name} lens at its corners", f"{bend:+.1f} px from a straight one ({origin})"
    far, near = rig.inverse_depths
    for name, depth in (("farthest", far), ("nearest", near)):
        found = map_deviations(model, depth)
        known = (
            "" if found is None else f"; map known to {found.centre:.1f} px, at corners {found.corner:.1f}"
        )
        yield f"{name} pair", f"{model.distance(depth)}{known}"


def distortion(camera: Camera) -> Sequence[tuple[float, float]]:
    """Distance from the centre as shown, and how much farther that is than without distortion, pixels."""
    height, width = camera.size
    centre = camera.matrix[:2, 2]
    corner = np.array([width - 1.0, height - 1.0])
    pixels = centre + np.linspace(0, 1, 25)[:, None] * (corner - centre)
    straight = camera.unproject(pixels) @ camera.matrix.T
    shown = np.hypot(*(pixels - centre).T)
    ideal = np.hypot(*(straight[:, :2] - centre).T)
    return [(float(at), float(at - without)) for at, without in zip(shown, ideal, strict=True)]
