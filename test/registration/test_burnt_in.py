"""Displays burnt into both images do not register two scenes, and do not spoil one."""

import cv2
import numpy as np
import pytest
from support.scripted_engine import ScriptedEngine, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.geometry.homography import resize_matrix
from distillmatch_ros.registration.burnt_in import is_marked, prominence_beside_marks
from distillmatch_ros.registration.gate import Gate

VISIBLE, THERMAL = (480, 640), (240, 320)
WHOLE = resize_matrix(THERMAL, VISIBLE)


def scene(seed: int, size: tuple[int, int], is_thermal: bool) -> np.ndarray:
    """Cells whose temperatures do not follow their brightness."""
    generator, cells = np.random.default_rng(seed), np.ones((480, 640), np.uint8)
    cells[generator.integers(0, 480, 80), generator.integers(0, 640, 80)] = 0
    _, labels = cv2.distanceTransformWithLabels(cells, cv2.DIST_L2, cv2.DIST_MASK_5)
    bright, warm = generator.integers(30, 220, (2, labels.max() + 1)).astype(np.uint8)
    image = cv2.GaussianBlur((warm if is_thermal else bright)[labels], (5, 5), 0)
    noise = generator.integers(0, 3, image.shape).astype(np.uint8) + 5 * is_thermal
    return cv2.resize(image + noise.astype(np.uint8), size[::-1], interpolation=cv2.INTER_AREA)


def displayed(image: np.ndarray) -> np.ndarray:
    """With a clock, a name, a crosshair and a scale."""
    marks = np.zeros((480, 640), np.uint8)
    for x, y, text in ((20, 40, "CAM 1 REC"), (420, 40, "12:34:56"), (20, 460, "N 48.137 E 11.575")):
        cv2.putText(marks, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    cv2.circle(marks, (320, 240), 50, 255, 3)
    cv2.line(marks, (220, 240), (420, 240), 255, 3)
    cv2.rectangle(marks, (560, 140), (610, 340), 255, 3)
    cv2.rectangle(marks, (60, 70), (540, 410), 255, 3)
    there = cv2.resize(marks, image.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.maximum(image, there)


def registered(visible: np.ndarray, thermal: np.ndarray) -> tuple[str, str | None]:
    """Status and reason for a network that matches the whole images on each other."""
    registrar = Registrar(ScriptedEngine(points_of(np.eye(3))), passes=1, gate=Gate(max_second_peak_ratio=1))
    found = registrar.register(visible, thermal)
    return str(found.status), found.rejected_by and found.rejected_by.threshold


@pytest.mark.parametrize("seed", range(3))
def test_one_display_over_two_scenes_is_no_registration(seed: int) -> None:
    visible, thermal = scene(seed, VISIBLE, False), scene(seed + 100, THERMAL, True)
    beside = prominence_beside_marks(displayed(visible), displayed(thermal), WHOLE)
    assert beside is not None and beside < 0.045
    assert registered(displayed(visible), displayed(thermal)) == ("DEGENERATE", "burnt_in")


@pytest.mark.parametrize("px", [10.0, 18.0, 24.0])
def test_what_a_display_attracts_need_not_lie_exactly_on_it(px: float) -> None:
    visible, thermal = displayed(scene(0, VISIBLE, False)), displayed(scene(100, THERMAL, True))
    beside = prominence_beside_marks(visible, thermal, np.array([[1, 0, px], [0, 1, 0], [0, 0, 1]]) @ WHOLE)
    assert beside is not None and beside < 0.045
    bare = scene(0, VISIBLE, False), scene(0, THERMAL, True)
    assert prominence_beside_marks(*bare, np.array([[1, 0, px], [0, 1, 0], [0, 0, 1]]) @ WHOLE) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_scene_agrees_beside_its_display(seed: int) -> None:
    visible, thermal = scene(seed, VISIBLE, False), scene(seed, THERMAL, True)
    assert registered(displayed(visible), displayed(thermal))[0] == "OK"
    assert prominence_beside_marks(visible, thermal, WHOLE) is None
    assert registered(visible, thermal)[0] == "OK"


def test_only_whole_images_on_each_other_are_looked_into() -> None:
    visible, thermal = displayed(scene(0, VISIBLE, False)), displayed(scene(100, THERMAL, True))
    aside = np.array([[1, 0, 30.0], [0, 1, 0], [0, 0, 1]]) @ WHOLE
    assert prominence_beside_marks(visible, thermal, aside) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_display_marks_what_a_homography_lays_elsewhere(seed: int) -> None:
    visible, thermal = scene(seed, VISIBLE, False), scene(seed, THERMAL, True)
    elsewhere = WHOLE @ np.array([[0.8, 0, 30.0], [0, 0.8, 24.0], [0, 0, 1]])
    assert is_marked(displayed(visible), displayed(thermal), elsewhere)
    assert not is_marked(visible, scene(seed + 100, THERMAL, True), elsewhere)
    assert not is_marked(displayed(visible), displayed(thermal), WHOLE)
