"""The network in models/: what users get is whole, says what it is, and registers a scene it never saw."""

import json

import cv2
import numpy as np
import pytest

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base import resources
from distillmatch_ros.demo.truth import TruePoints
from distillmatch_ros.engines import Engine, open_engine
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.registrar import SHIPPED_MODEL
from distillmatch_ros.scene import SyntheticPair

MODELS = resources.find("models")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine(resources.find(SHIPPED_MODEL), "onnx")


def test_models_stay_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.iterdir()) <= 20e6


def test_onnx_and_weights_are_the_same_network(engine: Engine) -> None:
    pytest.importorskip("torch")
    weights = open_engine(MODELS / "light.pt")
    assert weights.info.weights_hash == engine.info.weights_hash
    assert (weights.info.height, weights.info.width, weights.info.config) == (
        engine.info.height,
        engine.info.width,
        "light",
    )


def test_model_card_is_of_these_weights(engine: Engine) -> None:
    assert engine.info.weights_hash[:12] in (MODELS / "MODEL_CARD.md").read_text()


def test_graph_holds_no_trace_of_the_machine_it_was_made_on() -> None:
    data = (MODELS / "light.onnx").read_bytes()
    assert b"site-packages" not in data
    assert b"distillmatch_ros/" not in data


@pytest.mark.slow
@pytest.mark.parametrize("time", ["day", pytest.param("night", marks=pytest.mark.slow)])
def test_onnx_runtime_agrees_with_torch(engine: Engine, time: str, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("torch")
    pair: SyntheticPair = request.getfixturevalue(time)
    reference = open_engine(MODELS / "light.pt")
    size = (engine.info.width, engine.info.height)
    images = [cv2.resize(to_8bit(image), size) / np.float32(255) for image in (pair.visible, pair.thermal)]
    found, expected = engine(*images), reference(*images)

    def by_cell(points: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
        return {tuple(np.round(point / 8).astype(int)): point for point in points}

    kept = (found.confidence > 0) & (expected.confidence > 0)
    pairs = [by_cell(np.hstack([m.visible_points, m.thermal_points])[kept]) for m in (found, expected)]
    shared = pairs[0].keys() & pairs[1].keys()
    assert len(shared) > 0.9 * kept.sum() > 50
    apart = [np.abs(pairs[0][cell] - pairs[1][cell]).max() for cell in shared]
    assert np.median(apart) < 1e-3


@pytest.mark.parametrize("time", ["day", pytest.param("night", marks=pytest.mark.slow)])
def test_a_street_is_registered(engine: Engine, time: str, request: pytest.FixtureRequest) -> None:
    pair: SyntheticPair = request.getfixturevalue(time)
    found = Registrar(engine).register(pair.visible, pair.thermal)
    assert found.status is Status.OK
    assert found.homography is not None
    assert TruePoints.of(pair).rms_px(found.homography) < 5


@pytest.mark.slow
def test_images_of_different_places_are_rejected(engine: Engine, day: SyntheticPair) -> None:
    """Noise, a gradient and a mirrored street share nothing with the street."""
    height, width = day.thermal.shape
    noise = np.random.default_rng(0).integers(20000, 40000, (height, width)).astype(np.uint16)
    gradient = np.tile(np.linspace(20000, 40000, width), (height, 1)).astype(np.uint16)
    registrar = Registrar(engine)
    for thermal in (noise, gradient, np.ascontiguousarray(day.thermal[::-1, ::-1])):
        found = registrar.register(day.visible, thermal)
        assert found.homography is None
        assert found.status in (Status.FEW_MATCHES, Status.FEW_INLIERS, Status.DEGENERATE)


def test_configuration_travels_in_the_file() -> None:
    import onnx

    metadata = {prop.key: prop.value for prop in onnx.load(resources.find(SHIPPED_MODEL)).metadata_props}
    assert json.loads(metadata["config"])["name"] == metadata["config_name"] == "light"
