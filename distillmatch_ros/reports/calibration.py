"""The page of a calibration: what was found, what it leaves over the image, and where to drive next."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distillmatch_ros.bags.calibration import DOUBTFUL, RigCalibration
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.base.files import write_text
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.advice import Advice
from distillmatch_ros.reports.charts import Chart, Series, arrows, heat_map, line_chart
from distillmatch_ros.reports.contents import Fact, figure
from distillmatch_ros.reports.pictures import Picture
from distillmatch_ros.reports.rendering import render
from distillmatch_ros.reports.rig import distortion
from distillmatch_ros.reports.verdict import Level, Verdict
from distillmatch_ros.rig.learning import Observation, evenly
from distillmatch_ros.rig.quality import inverse_depths
from distillmatch_ros.rig.residuals import GRID, coverage, in_cells, residuals
from distillmatch_ros.visualisation.overlay import draw_overlay

_SHOWN = 24  # pairs whose edges are measured for the page
_ARROWS = 12.0  # times their length
_FEW = 0.35  # of the mean number of matches: a cell with fewer should be seen more
_ALIKE_PX = 4.0  # reference pixels between the nearest and the farthest pair, from which on depths differ

_ACROSS, _DOWN = ("left", "middle", "right"), ("top", "middle", "bottom")


@dataclass(frozen=True, eq=False)
class _Compared:
    """One homography and what is to be used, on pairs: shifts left between edges."""

    names: list[str]
    shifts: list[Float64]
    pictures: list[tuple[str, Picture]]
    number: int


def write_calibration_page(found: RigCalibration, drives: Drives, title: str, path: Path) -> None:
    """Write the page.

    Args:
        found: what was found.
        drives: the pairs.
        title: of the page, such as the name of the written file.
        path: HTML file.

    Raises:
        DistillMatchError: it cannot be written.
    """
    compared = _compare(found, drives)
    covered = coverage(
        [np.asarray(pair.thermal, np.float64) for pair in drives.inliers], _thermal_size(drives)
    )
    values: dict[str, Any] = {
        "title": title,
        "verdict": _verdict(found, drives, covered),
        "problems": [*drives.errors, *(problem for each in drives.summaries for problem in each.problems)],
        "facts": _facts(found),
        "evidence": found.evidence,
        "charts": _charts(found, drives, compared, covered),
        "deviations": found.deviations,
        "origins": {} if found.rig is None else found.rig.model.origins,
        "pictures": compared.pictures,
        "pictured": compared.number,
    }
    write_text(path, render("calibration.html.j2", values))


def _thermal_size(drives: Drives) -> tuple[int, int]:
    assert drives.formats is not None, "there are pairs"
    return drives.formats.thermal.size


def _verdict(found: RigCalibration, drives: Drives, covered: Float64) -> Verdict:
    kind = "One homography holds" if found.rig is None else "A rig holds"
    level = Level.GOOD if found.agreement.beyond < DOUBTFUL else Level.POOR
    reasons = [
        f"The inliers of {found.agreement.pairs} pairs lie {found.agreement.median_px:.1f} px from it "
        "(median "
        f"of all pairs), 95 % of the pairs within {found.agreement.p95_px:.1f} px, in a visible image 640 px "
        "wide."
    ]
    if found.evidence is not None:
        lasting = found.evidence.figures[found.evidence.lasting]
        own = found.evidence.figures["pair"]
        reasons.append(
            f"On {found.evidence.pairs} pairs left out of the fit it leaves {lasting.edges_px:.2f} px "
            "between "
            f"edges, the pairs' own homographies {own.edges_px:.2f} px."
        )
    if found.against is not None:
        reasons.append(f"No rig: {found.against}.")
    if found.rig is not None and found.rig.shifted:
        reasons.append(
            "Each frame has a shift of its own: the cameras are not triggered together, or the mount gives."
        )
    return Verdict(level, f"{kind} for {drives.pairs} pairs.", reasons, _advice(found, drives, covered))


def _advice(found: RigCalibration, drives: Drives, covered: Float64) -> list[Advice]:
    advice = []
    if found.doubt is not None:
        advice.append(Advice("agreement", f"{found.doubt}.", "Do not use it; check mount, zoom and clocks."))
    if where := _bare(covered):
        advice.append(
            Advice(
                "coverage",
                f"Few matches lie at the {where} of the thermal image.",
                "Drive so that buildings, trees or vehicles appear there.",
            )
        )
    if found.rig is not None:
        far, near = found.rig.inverse_depths
        model = found.rig.model
        centre = np.array([model.thermal.size[::-1]]) / 2
        gap = model.at(near).to_visible(centre) - model.at(far).to_visible(centre)
        parallax = float(np.hypot(*gap[0])) * REFERENCE_WIDTH / model.visible.size[1]
        if parallax < _ALIKE_PX:
            advice.append(
                Advice(
                    "depth",
                    f"All pairs lie at nearly the same depth: {parallax:.1f} px between nearest and "
                    "farthest.",
                    "Drive past nearer things, and record open views.",
                )
            )
    for bag, offset in drives.offsets.items():
        if offset.differs_from(drives.parameters.thermal_offset):
            advice.append(
                Advice(
                    "clock",
                    f"By the motion in {bag} the stamps are {offset.seconds:+.3f} s apart "
                    f"(standard deviation {offset.deviation:.3f} s).",
                    f"Set thermal_offset: {offset.seconds:.3f}, and calibrate again.",
                )
            )
    return advice


def _bare(covered: Float64) -> str:
    """Ninths of the image with few matches, in words; empty if there are none."""
    rows, columns = (np.array_split(np.arange(length), 3) for length in GRID)
    mean = covered.mean()
    found = []
    for down, some_rows in zip(_DOWN, rows, strict=True):
        for across, some_columns in zip(_ACROSS, columns, strict=True):
            if covered[np.ix_(some_rows, some_columns)].mean() < _FEW * mean:
                found.append("centre" if down == across == "middle" else f"{down} {across}")
    return ", ".join(found)


def _facts(found: RigCalibration) -> list[Fact]:
    agreement = found.agreement
    facts = [
        Fact("homography" if found.rig is None else "rig", "what holds"),
        Fact(str(agreement.pairs), "pairs with a homography of their own"),
        Fact(figure(agreement.median_px, " px"), "distance of matches, median of all pairs"),
        Fact(figure(agreement.p95_px, " px"), "the same, 95th percentile"),
    ]
    if (near := found.deviations.get("nearest")) is not None:
        facts.append(Fact(figure(near.corner, " px"), "standard deviation at the corners, nearest pair"))
    return facts


def _compare(found: RigCalibration, drives: Drives) -> _Compared:
    judges = [pair for pair in drives.observations if pair.mapping is not None]
    judges = [judges[index] for index in evenly(len(judges), _SHOWN)]
    names: list[str] = []
    mappings: list[list[ImageMapping]] = []
    if found.homography is not None:
        names.append("one homography")
        mappings.append([found.homography.mapping] * len(judges))
    if found.rig is not None:
        names.append("the rig")
        mappings.append([found.rig.register(pair) for pair in judges])
    each = [
        [residuals([pair], lambda _, own=own: own) for pair, own in zip(judges, some, strict=True)]  # type: ignore[misc]
        for some in mappings
    ]
    left = np.array([[_median(shifts) for shifts in some] for some in each])
    number = (
        int(np.argmax(left[0] - left[-1])) if len(each) > 1 else int(np.argsort(left[0])[len(judges) // 2])
    )
    pictures = [
        (
            f"{name}: {left[row][number]:.1f} px between edges",
            _picture(judges[number], mappings[row][number], name),
        )
        for row, name in enumerate(names)
    ]
    return _Compared(names, [np.concatenate(some) for some in each], pictures, number)


def _median(shifts: Float64) -> float:
    return float(np.median(np.hypot(*shifts[:, 2:].T))) if len(shifts) else np.inf


def _picture(pair: Observation, mapping: ImageMapping, name: str) -> Picture:
    nothing = np.zeros((0, 2), np.float32)
    empty = np.zeros(0, np.float32)
    shown = Registration(nothing, nothing, empty, empty.astype(bool), mapping, Status.FIXED, {})
    drawn = draw_overlay(pair.visible, pair.thermal, shown, "edges")
    return Picture.of(drawn, f"thermal edges on the visible image by {name}")


def _charts(found: RigCalibration, drives: Drives, compared: _Compared, covered: Float64) -> list[Chart]:
    size = _thermal_size(drives)
    fields = [
        (name, in_cells(each, size)) for name, each in zip(compared.names, compared.shifts, strict=True)
    ]
    pairs = list(enumerate(found.distances, start=1))
    charts = [
        arrows(
            "What is left over the image",
            f"Shift between edges in each cell of the thermal image, median of {_SHOWN} pairs at most, drawn "
            f"{_ARROWS:g} times as long; px of a visible image 640 px wide. Arrows that turn about the "
            "middle or "
            "grow outwards are distortion.",
            fields,
            size,
            _ARROWS * size[1] / REFERENCE_WIDTH,
        ),
        heat_map(
            "Matches over the image",
            "Inliers of a pair in each cell of the thermal image, mean. Drive so that things with edges "
            "appear "
            "where there are few.",
            covered,
            size[0] / size[1],
        ),
        line_chart(
            "Agreement of every pair",
            "Distance of a pair's own inliers from what is written, median; the dashed line is the limit.",
            [
                Series("pairs", pairs, "dots"),
                Series(
                    "limit", [(1, found.agreement.limit_px), (len(pairs), found.agreement.limit_px)], "dashed"
                ),
            ],
            "pair",
            "px",
        ),
    ]
    if found.rig is None:
        return charts
    model = found.rig.model
    unit = "1/m" if model.is_metric else "1 / distance of the lenses"
    lenses = [
        Series(name, distortion(camera))
        for name, camera in (("visible", model.visible), ("thermal", model.thermal))
    ]
    return [
        *charts,
        line_chart(
            "Depth of every pair",
            "Inverse depth at which the rig maps a pair: 0 is far away, and a little below it where pose and "
            "depth trade. The more they differ, the better "
            "parallax is known.",
            [Series("pairs", list(enumerate(inverse_depths(found.rig, drives.inliers), start=1)), "dots")],
            "pair",
            unit,
        ),
        line_chart(
            "Lens distortion",
            "How far a lens shows a point outside of where it would be without distortion, from the "
            "centre of "
            "the image to its corner.",
            lenses,
            "px from the centre",
            "px",
            from_zero=True,
        ),
    ]
