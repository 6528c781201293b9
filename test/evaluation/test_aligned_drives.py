"""Drives of one homography, made of aligned pairs: their truth, and what edges say of it."""

import cv2
import numpy as np
import pytest

from distillmatch_ros.evaluation.aligned_drives import Drive, summary
from distillmatch_ros.evaluation.panning import THERMAL, VISIBLE
from distillmatch_ros.evaluation.streams import Answer
from distillmatch_ros.geometry.homography import corner_error, resize_matrix

OFF_PX = 6


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """Two pairs of cells; the second is misaligned."""
    folder = tmp_path_factory.mktemp("pairs")
    for side in ("visible", "thermal"):
        (folder / side).mkdir()
    for number in range(2):
        cells = np.random.default_rng(number).integers(0, 256, (60, 80)).astype(np.uint8)
        still = cv2.resize(cells, (640, 480), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"visible/{number}.png"), np.repeat(still[..., None], 3, axis=2))
        cv2.imwrite(str(folder / f"thermal/{number}.png"), np.roll(still, number * OFF_PX, axis=1))
    return Drive.read(folder, seed=4)


def test_the_truth_lays_aligned_images_on_each_other(drive: Drive) -> None:
    moment = next(drive.moments())
    assert (moment.visible.shape, moment.thermal.shape) == ((*VISIBLE, 3), THERMAL)
    assert moment.truth is not None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(moment.visible[..., 0], moment.truth, THERMAL[::-1], flags=flags)
    assert np.median(cv2.absdiff(seen, moment.thermal)) < 4


def test_pixels_of_the_rig_are_square(drive: Drive) -> None:
    columns, rows = np.linalg.norm(drive.truth[:2, :2] / drive.truth[2, 2], axis=0)
    assert columns == pytest.approx(rows, rel=0.1)


def test_edges_tell_which_pair_is_misaligned(drive: Drive) -> None:
    aligned, off = drive.references_px()
    assert aligned < 1
    assert off == pytest.approx(OFF_PX, abs=1)


def test_a_knock_moves_the_second_half(drive: Drive) -> None:
    first, second = drive.moments(px=20)
    assert first.truth is not None
    assert second.truth is not None
    assert corner_error(first.truth, drive.truth, THERMAL, VISIBLE) == 0
    # Errors are those of a visible image 640 wide.
    expected = 20 * resize_matrix(VISIBLE, (480, 640))[0, 0]
    assert corner_error(second.truth, drive.truth, THERMAL, VISIBLE) == pytest.approx(expected)


def test_parts_of_the_pairs() -> None:
    errors = (3.0, 12.0, None, 40.0)
    answers = [Answer(float(second), "OK", error, 0.9) for second, error in enumerate(errors)]
    assert summary(answers).split() == ["4", "25.0", "/", "25.0", "/", "25.0"]
