"""Drives and what calibrates them, from registrations with known truth; and the command, end to end."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import Drive, texture, write_bag
from support.calibrated_drives import FAR, drives_of, moved, registered
from support.cli import run
from support.simulated_rig import RIG, THERMAL, VISIBLE, grid, shapes

from distillmatch_ros.bags.calibration import calibrate, record
from distillmatch_ros.bags.drives import Drives, _Thinned
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.learning import KnownRig
from distillmatch_ros.stream.calibration import Calibration, ImageFormat, PairFormat
from distillmatch_ros.stream.parameters import Parameters


@pytest.mark.slow
def test_a_drive_of_a_rig_gives_the_rig() -> None:
    depths = np.random.default_rng(0).uniform(0, 0.08, 12)
    drives = drives_of([RIG.at(float(depth)) for depth in depths])
    found = calibrate(drives).with_baseline(0.2)
    assert found.rig is not None and found.against is None and found.doubt is None
    gaps = found.rig.model.at(0.2 / 0.2).to_visible(grid()) - RIG.at(0.2).to_visible(grid())
    assert np.isfinite(gaps).all()
    assert found.agreement.p95_px < 2 and found.agreement.pairs == 12
    far, near = found.rig.inverse_depths
    assert near - far == pytest.approx((depths.max() - depths.min()) / 0.2, rel=0.2)
    assert set(found.deviations) == {"nearest", "farthest"}
    kept = record(found, drives, "rig.yaml")
    assert kept["kind"] == "rig" and kept["origins"]["scale"] == "given"


@pytest.mark.slow
def test_where_one_homography_is_enough_it_is_what_is_given() -> None:
    found = calibrate(drives_of([moved(0.0)] * 12, noise_px=2.0))
    assert found.rig is None and found.homography is not None
    assert found.against is not None and "one homography" in found.against
    np.testing.assert_allclose(
        transform(found.homography.homography, grid()), transform(FAR, grid()), atol=1.5
    )


@pytest.mark.slow
def test_a_rig_that_is_given_is_kept_where_one_homography_comes_as_close() -> None:
    drives = drives_of([RIG.at(0.02)] * 10, noise_px=4.0)
    found = calibrate(drives, KnownRig(RIG, fixed=True))
    assert found.rig is not None and found.rig.model is RIG


@pytest.mark.slow
def test_pairs_that_nothing_holds_for_are_told_with_figures() -> None:
    """A camera that zooms: every pair counts, not only the half whose matches survive a robust fit."""
    rng, mappings = np.random.default_rng(1), []
    for index in range(12):
        zoom = 1.0 if index < 7 else rng.uniform(1.2, 1.4)
        turn = np.vstack([cv2.getRotationMatrix2D((480, 270), 0 if index < 7 else 8.0, zoom), [0, 0, 1]])
        mappings.append(HomographyMapping(turn @ FAR, THERMAL, VISIBLE))
    with pytest.raises(DistillMatchError, match=r"% of 12 pairs are farther than 10 px .* one homography"):
        calibrate(drives_of(mappings))


def test_too_few_pairs_and_images_of_two_rigs_are_named() -> None:
    with pytest.raises(DistillMatchError, match="no pair"):
        calibrate(Drives(Parameters()))
    drives = drives_of([moved(0.0)] * 3)
    with pytest.raises(DistillMatchError, match="3 pairs were registered and 10 are needed"):
        calibrate(drives)
    other = PairFormat(ImageFormat((480, 640)), ImageFormat(THERMAL))
    with pytest.raises(DistillMatchError, match="960x540"):
        drives._add(np.zeros((480, 640), np.uint8), shapes(0), other, registered(moved(0), 0, 1), 0, "b.mcap")


def test_a_sequence_is_thinned_evenly() -> None:
    thinned: _Thinned[int] = _Thinned(10)
    for number in range(1000):
        thinned.add(lambda number=number: number)  # type: ignore[misc]
    assert 5 <= len(thinned.items) <= 10
    assert len(set(np.diff(thinned.items))) == 1 and thinned.items[-1] > 800


@pytest.mark.slow
def test_folders_and_bags_make_one_calibration(write_network: Callable[..., Path], tmp_path: Path) -> None:
    bag, model = write_bag(tmp_path, "mcap", Drive(pairs=8)), write_network()
    for side in ("visible", "thermal"):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        for number in range(6):
            cv2.imwrite(str(tmp_path / "pairs" / side / f"{number}.png"), texture(50 + number, (64, 80)))
    (tmp_path / "pairs/visible/5.png").write_bytes(b"")
    out = tmp_path / "rig.yaml"
    result = run("calibrate", bag, tmp_path / "pairs", "--out", out, "--json", "-", "--model", model)
    assert result.exit_code == 1 and "5.png" in result.stderr, result.output
    kept = json.loads(result.stdout)
    assert (kept["pairs"], kept["rejected"], kept["kind"]) == (13, 0, "homography")
    assert "one homography" in kept["against"] and kept["agreement_px"]["p95"] < 1
    np.testing.assert_allclose(Calibration.load(out).homography, np.eye(3), atol=1e-2)
    np.testing.assert_array_equal(kept["homography"], Calibration.load(out).homography)
