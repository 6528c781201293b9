"""The page of a calibration: its figures, its advice, and how it looks in a browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import check_accessibility, check_layout, chromium, opened
from support.calibrated_drives import drives_of, moved
from support.simulated_rig import RIG, THERMAL

from distillmatch_ros.bags.calibration import RigCalibration
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.reports.calibration import write_calibration_page
from distillmatch_ros.rig.evidence import Evidence, FitFigures
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.motion import TimeOffset
from distillmatch_ros.rig.obstacles import differences
from distillmatch_ros.rig.quality import Agreement, distances_from
from distillmatch_ros.rig.residuals import coverage, in_cells, residuals

FIGURES = {"pair": FitFigures(3, 2.4), "rig": FitFigures(2, 0.5), "rig with a shift": FitFigures(2, 0.6)}


def calibrated(drives: Drives, depths: tuple[float, float]) -> RigCalibration:
    rig = LearnedRig(replace(RIG, covariance=np.eye(12) * 1e-6), depths, shifted=False)
    distances = distances_from(rig, drives.inliers)
    figures = {**FIGURES, "one homography": FitFigures(4, 3.3)}
    evidence = Evidence("rig", 4, figures, 4, "rig", differences([]))  # type: ignore[arg-type]
    agreement = Agreement.of(distances, rejected=1)
    assert drives.accumulator is not None
    return RigCalibration(drives.accumulator.fit(), rig, evidence, None, agreement, distances.tolist())


@pytest.fixture(scope="module")
def drives() -> Drives:
    found = drives_of([RIG.at(float(depth)) for depth in np.linspace(0, 0.08, 10)])
    found.offsets["drive"] = TimeOffset(0.08, 0.004, 0.95)
    return found


@pytest.fixture(scope="module")
def page(drives: Drives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "rig.html"
    write_calibration_page(calibrated(drives, (0.0, 0.08)), drives, "rig.yaml <b>", path)
    return path


def test_a_page_tells_what_holds_and_what_to_do(page: Path) -> None:
    text = page.read_text()
    assert "A rig holds for 10 pairs" in text and "rig.yaml &lt;b&gt;" in text
    assert "0.50 px between edges" in text and "thermal_offset: 0.080" in text
    assert text.count('<figure class="chart">') == 5 and text.count("data:image/webp") == 2


@pytest.mark.slow
def test_matches_at_one_depth_and_on_one_side_are_told(drives: Drives, tmp_path: Path) -> None:
    found = calibrated(drives, (0.04, 0.041))
    right = [replace(pair, thermal=pair.thermal * (0.5, 1) + (320, 0)) for pair in drives.inliers]
    sided = replace(drives, inliers=right)  # type: ignore[type-var]
    write_calibration_page(found, sided, "rig", tmp_path / "rig.html")
    text = (tmp_path / "rig.html").read_text()
    assert "top left, middle left, bottom left of the thermal image" in text
    assert "nearly the same depth" in text


def test_a_homography_has_a_page_without_a_rig(drives: Drives, tmp_path: Path) -> None:
    found = replace(calibrated(drives, (0.0, 0.08)), rig=None, evidence=None, against="too few pairs")
    write_calibration_page(found, drives, "rig", tmp_path / "rig.html")
    text = (tmp_path / "rig.html").read_text()
    assert "No rig: too few pairs." in text and text.count('<figure class="chart">') == 3


def test_what_is_left_is_where_a_map_is_wrong(drives: Drives) -> None:
    pairs = drives.observations[:2]
    right = residuals(pairs, lambda pair: RIG.at(0.0 if pair is pairs[0] else 0.08 / 9))
    assert len(right) > 20 and np.median(np.hypot(*right[:, 2:].T)) < 0.3
    wrong = residuals(pairs[:1], lambda _: moved(6.0))  # 6 px of 960 to the right of the far map
    field = in_cells(wrong, THERMAL)
    middle = field[np.hypot(*(field[:, :2] - (320, 256)).T) < 150]
    np.testing.assert_allclose(np.median(middle[:, 2:], axis=0), (-4, 0), atol=1)
    np.testing.assert_allclose(coverage([np.array([[0.0, 0], [639, 511]])], THERMAL)[[0, -1], [0, -1]], 1)
    assert in_cells(np.zeros((0, 4)), THERMAL).shape == (0, 4)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_fits_and_can_be_read_by_all(browser: Any, page: Path, width: int) -> None:
    with opened(browser, page, width) as shown:
        check_layout(shown)
        check_accessibility(shown)
