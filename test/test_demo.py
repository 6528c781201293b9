"""The demo registers its own scenes and measures them against their geometry."""

from pathlib import Path

import numpy as np
import pytest

from distillmatch_ros.demo import errors, run_demo
from distillmatch_ros.engines.protocol import EngineInfo, Float32, Matches
from distillmatch_ros.frames import read_image
from distillmatch_ros.homography import resizing, transform
from distillmatch_ros.pairs import read_folder
from distillmatch_ros.registration import Registrar, Status
from distillmatch_ros.scene import SyntheticPair

NETWORK = (240, 320)


class KnowingEngine:
    """Answers with the truth of one pair after the other; None for a pair stands for finding nothing."""

    def __init__(self, *pairs: SyntheticPair | None) -> None:
        self.info = EngineInfo(*NETWORK, 300, "knowing", "fp32", "", "none")
        self._pairs = list(pairs)

    def __call__(self, visible: Float32, thermal: Float32) -> Matches:
        pair = self._pairs.pop(0)
        if pair is None:
            return Matches(
                np.zeros((300, 2), np.float32), np.zeros((300, 2), np.float32), np.zeros(300, np.float32)
            )
        rows, columns = np.nonzero((pair.depth > 12) & np.isfinite(pair.truth[..., 0]))
        some = np.random.default_rng(0).choice(rows.size, 300, replace=False)
        points = np.stack([columns[some], rows[some]], axis=1)
        return Matches(
            transform(resizing((720, 960), NETWORK), pair.truth[rows[some], columns[some]]).astype(
                np.float32
            ),
            transform(resizing((512, 640), NETWORK), points).astype(np.float32),
            np.ones(300, np.float32),
        )

    def close(self) -> None:
        pass


def test_scenes_are_registered_measured_and_written(
    day: SyntheticPair, night: SyntheticPair, tmp_path: Path
) -> None:
    with Registrar(KnowingEngine(day, night), passes=1) as registrar:
        results = run_demo(registrar, tmp_path, seed=1)
    assert [result.name for result in results] == ["day", "night"]
    for result in results:
        assert result.result.status == Status.OK
        assert result.found is not None
        assert result.found.median_px < 2 * result.best.median_px + 1
        assert result.best.median_px <= result.best.p95_px < 30
        assert {path.name for path in result.result.pictures} == {
            f"{result.name}_{kind}.png" for kind in ("overlay", "matches", "registered")
        }
        assert all(read_image(path).std() > 10 for path in result.result.pictures)
    assert [pair.visible.stem for pair in read_folder(tmp_path)] == ["day", "night"]
    np.testing.assert_array_equal(read_image(tmp_path / "thermal/day.png"), day.thermal)
    np.testing.assert_array_equal(read_image(tmp_path / "visible/night.png"), night.visible)


def test_refused_scene_has_no_error(
    day: SyntheticPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "distillmatch_ros.demo.render_pair", lambda seed, night: day
    )  # rendering takes a while
    with Registrar(KnowingEngine(day, None), passes=1) as registrar:
        first, second = run_demo(registrar, tmp_path, seed=1)
    assert first.found is not None
    assert second.found is None
    assert second.result.status == Status.FEW_MATCHES


def test_errors_are_distances_in_visible_pixels() -> None:
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    truth = np.dstack([2 * columns + 3, 2 * rows + 4]).astype(np.float32)
    truth[:, :10] = np.nan
    double = np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    assert errors(double, truth).median_px == pytest.approx(5)
    truth[:, 25:] += 100
    measured = errors(double, truth)
    assert measured.median_px == pytest.approx(5)
    assert measured.p95_px == pytest.approx(np.hypot(103, 104))
