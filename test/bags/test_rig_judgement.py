"""Pairs by a rig's file, which may be that of other cameras: each pair's own homography judges it.

With depth its matches do, since they lie where depth puts them.
"""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import texture
from support.cli import run

from distillmatch_ros.bags.rig_learning import by_rig
from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.scene import SyntheticPair

SIZE = (256, 320)
REFERENCE_PX = 640 / SIZE[1]


def camera(focal: float, right: float = 0.0) -> Camera:
    matrix = np.array([[focal, 0, (SIZE[1] - 1) / 2 + right], [0, focal, (SIZE[0] - 1) / 2], [0, 0, 1]])
    return Camera(SIZE, matrix)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pairs of cameras that see the same, pixel by pixel."""
    folder = tmp_path / "pairs"
    for side in ("visible", "thermal"):
        (folder / side).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / side / f"{number}.png"), texture(number, SIZE))
    return folder


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


def write_rig(path: Path, off_px: float = 0.0, thermal_focal: float = 300.0) -> Path:
    """The pairs' rig, off by so many reference pixels, or with another lens."""
    pose = Pose.from_vectors(np.zeros(3), np.array([1.0, 0, 0]))
    visible, thermal = camera(300.0, off_px / REFERENCE_PX), camera(thermal_focal)
    RigFile.of(LearnedRig(RigModel(visible, thermal, pose), (0.0, 1e-4), shifted=False), 12).save(path)
    return path


@pytest.mark.parametrize(
    ("off_px", "thermal_focal", "status"),
    [(4, 300, "OK"), (13, 300, "FIXED"), (22, 300, "CONTRADICTED"), (0, 137, "CONTRADICTED")],
)
def test_a_pair_has_the_rigs_mapping_as_far_as_its_own_homography_allows(
    off_px: float, thermal_focal: float, status: str, pairs: Path, model: str, tmp_path: Path
) -> None:
    rig = write_rig(tmp_path / "rig.yaml", off_px, thermal_focal)
    images = pairs / "visible/0.png", pairs / "thermal/0.png"
    done = run("match", *images, "--rig", rig, "--model", model, "--json", "-")
    (record,) = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 0 and record["status"] == status, record
    assert (record["homography"] is None) == (status == "CONTRADICTED")
    assert status != "FIXED" or record["probability"] is None
    if status == "CONTRADICTED":
        assert record["rejected_by"]["threshold"] == "rig" and record["rejected_by"]["limit"] == 16
        assert record["rejected_by"]["value"] > 16
        assert not off_px or record["rejected_by"]["value"] == pytest.approx(off_px, abs=2)


@pytest.mark.parametrize(("off_px", "code"), [(0, 0), (22, 1)])
def test_a_file_that_most_pairs_contradict_is_an_error(
    off_px: float, code: int, pairs: Path, model: str, tmp_path: Path
) -> None:
    rig = write_rig(tmp_path / "rig.yaml", off_px)
    done = run("match", "--pairs", pairs, "--rig", rig, "--model", model)
    assert done.exit_code == code and ("rig.yaml: " in done.stderr) == bool(code), done.output


@pytest.mark.parametrize(("off_px", "reason"), [(0, None), (13, "FIXED"), (22, "CONTRADICTED")])
def test_no_training_pair_is_written_that_does_not_confirm_the_rig(
    off_px: float, reason: str | None, pairs: Path, model: str, tmp_path: Path
) -> None:
    rig, out = write_rig(tmp_path / "rig.yaml", off_px), tmp_path / "out"
    done = run("align", pairs, "--rig", rig, "--out", out, "--val", "0", "--model", model)
    if reason is None:
        assert done.exit_code == 0 and json.loads((out / "align.json").read_text())["kept"]["train"] == 2
    else:
        assert done.exit_code == 2 and f"2 {reason}" in done.stderr and not out.exists(), done.output


def registration_of(room: SyntheticPair) -> Registration:
    """Matches all over a room, and the homography that comes closest to them."""
    places = room.visible_truth.places
    rows, columns = np.nonzero(np.isfinite(places[..., 0]))
    rows, columns = rows[::400], columns[::400]
    visible, thermal = np.column_stack([columns, rows]).astype(np.float32), places[rows, columns]
    matrix, _ = cv2.findHomography(thermal, visible, cv2.LMEDS)
    mapping = HomographyMapping(matrix, room.thermal.shape[:2], room.visible.shape[:2])
    found = Registration.without_matches(Status.OK, mapping, {})
    ones = np.ones(len(visible), np.float32)
    return replace(
        found,
        visible_points=visible,
        thermal_points=thermal.astype(np.float32),
        confidence=ones,
        inliers=ones > 0,
        probability=0.9,
    )


@pytest.mark.parametrize(
    ("degrees", "status"),
    [(0.0, Status.OK), (1.5, Status.FIXED), (3.0, Status.CONTRADICTED)],
)
def test_with_depth_matches_judge_the_rig_which_no_homography_of_a_room_confirms(
    degrees: float, status: Status, room: SyntheticPair
) -> None:
    model, found = true_rig(room), registration_of(room)
    turn = Pose.from_vectors(np.radians([0.0, degrees, 0.0]), np.zeros(3))
    moved = turn.rotation @ model.T_visible_thermal.rotation
    pose = Pose(moved, model.T_visible_thermal.translation)
    rig = LearnedRig(replace(model, T_visible_thermal=pose), DEPTHS, shifted=False)
    pair = PreparedPair.of(room.visible, room.thermal)
    depth = registered(room.visible_depth, room.visible.shape[:2])
    by_depth, doubt = by_rig(rig, pair, found, depth=depth)
    assert by_depth.status is status
    assert status is not Status.FIXED or by_depth.probability is None
    if degrees == 0:
        assert doubt is None
        assert by_rig(rig, pair, found)[0].status is Status.FIXED
        for wrong in (depth / 3, depth * 10, depth[::-1, ::-1].copy()):
            by_plane, doubt = by_rig(rig, pair, found, depth=wrong)
            assert doubt is not None and "edges" in doubt
            assert by_plane.status in (Status.FIXED, Status.CONTRADICTED)
            assert not isinstance(by_plane.mapping, DepthMapping)
