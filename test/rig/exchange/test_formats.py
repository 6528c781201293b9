"""Files of other tools, as they write them, and back."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml
from support.simulated_rig import RIG, THERMAL, VISIBLE, grid

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.exchange import frames
from distillmatch_ros.rig.exchange.formats import WRITERS, read_known, write_format
from distillmatch_ros.rig.exchange.known import Sizes, inverse
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel

SIZES = Sizes(VISIBLE, THERMAL)
BASELINE = np.linalg.norm(RIG.T_visible_thermal.translation)
METRIC = replace(RIG, origins={"scale": "given"})

CAMERA_INFO = """image_width: 640
image_height: 512
camera_name: boson
camera_matrix:
  rows: 3
  cols: 3
  data: [700.00000,   0.00000, 319.50000,
           0.00000, 700.00000, 255.50000,
           0.00000,   0.00000,   1.00000]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.200000, 0.050000, 0.000000, 0.000000, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [700., 0., 319.5, 0., 0., 700., 255.5, 0., 0., 0., 1., 0.]
"""

CAMCHAIN = """cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.15, 0.03, 0.0, 0.0]
  distortion_model: radtan
  intrinsics: [800.0, 800.0, 479.5, 269.5]
  resolution: [960, 540]
  rostopic: /rgb/image_raw
cam1:
  T_cn_cnm1:
{rows}
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [-0.2, 0.05, 0.0, 0.0]
  distortion_model: radtan
  intrinsics: [700.0, 700.0, 319.5, 255.5]
  resolution: [640, 512]
  rostopic: /thermal/image_raw
"""


def same_maps(found: RigModel | None, scale: float = 1.0) -> None:
    assert found is not None
    for depth in (0.0, 0.05):
        gaps = found.at(depth / scale).to_visible(grid()) - RIG.at(depth).to_visible(grid())
        assert np.abs(gaps).max() < 0.01


def test_a_camera_info_file_of_ros(tmp_path: Path) -> None:
    (tmp_path / "boson.yaml").write_text(CAMERA_INFO)
    found = read_known(tmp_path / "boson.yaml", SIZES)
    assert found.visible is None and found.T_visible_thermal is None and found.rig is None
    assert found.thermal is not None and found.thermal.same_as(RIG.thermal)
    write_format("camera-info", tmp_path / "own.yaml", RIG)
    kept = yaml.safe_load((tmp_path / "own.yaml").read_text())
    assert kept.keys() == yaml.safe_load(CAMERA_INFO).keys()
    again = read_known(tmp_path / "own.yaml", SIZES).thermal
    assert again is not None and again.same_as(RIG.thermal)


def test_of_equal_sizes_the_name_tells(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CAMERA_INFO)
    equal = Sizes(THERMAL, THERMAL)
    assert read_known(tmp_path / "a.yaml", equal).thermal is not None
    (tmp_path / "b.yaml").write_text(CAMERA_INFO.replace("boson", "narrow"))
    assert read_known(tmp_path / "b.yaml", equal).visible is not None
    with pytest.raises(DistillMatchError, match=r"a\.yaml: .*640x512"):
        read_known(tmp_path / "a.yaml", Sizes(VISIBLE, VISIBLE))


def test_a_camchain_of_kalibr_in_either_order(tmp_path: Path) -> None:
    to_thermal = inverse(RIG.T_visible_thermal)
    rows = np.column_stack([to_thermal.rotation, to_thermal.translation])
    text = CAMCHAIN.format(rows="\n".join(f"  - {row.tolist()}" for row in rows))
    (tmp_path / "chain.yaml").write_text(text)
    found = read_known(tmp_path / "chain.yaml", SIZES)
    assert found.metric
    same_maps(found.rig)
    write_format("kalibr", tmp_path / "own.yaml", METRIC)
    own, theirs = (yaml.safe_load((tmp_path / name).read_text()) for name in ("own.yaml", "chain.yaml"))
    assert {name: own[name].keys() for name in own} == {name: theirs[name].keys() for name in theirs}
    same_maps(read_known(tmp_path / "own.yaml", SIZES).rig)
    chain = yaml.safe_load(text)
    chain["cam0"], chain["cam1"] = chain["cam1"], chain["cam0"]
    pose = RIG.T_visible_thermal
    chain["cam0"].pop("T_cn_cnm1")
    chain["cam1"]["T_cn_cnm1"] = [*np.column_stack([pose.rotation, pose.translation]).tolist(), [0, 0, 0, 1]]
    (tmp_path / "turned.yaml").write_text(yaml.safe_dump(chain))
    same_maps(read_known(tmp_path / "turned.yaml", SIZES).rig)
    (tmp_path / "chain.yaml").write_text(text.replace("camera_model: pinhole", "camera_model: omni"))
    with pytest.raises(DistillMatchError, match="omni-radtan"):
        read_known(tmp_path / "chain.yaml", SIZES)
    wide = replace(
        METRIC, visible=Camera(VISIBLE, RIG.visible.matrix, np.arange(8) / 100, "rational_polynomial")
    )
    with pytest.raises(DistillMatchError, match="kalibr"):
        write_format("kalibr", tmp_path / "wide.yaml", wide)


@pytest.mark.parametrize("ending", ["yaml", "xml", "json"])
@pytest.mark.parametrize("names", ["M{} D{}", "cameraMatrix{} distCoeffs{}"])
def test_a_stereo_calibration_of_opencv(tmp_path: Path, ending: str, names: str) -> None:
    file = tmp_path / f"stereo.{ending}"
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_WRITE)
    matrix, distortion = names.split()
    for number, camera in ((1, RIG.visible), (2, RIG.thermal)):
        storage.write(matrix.format(number), camera.matrix)
        storage.write(distortion.format(number), np.append(camera.distortion, 0)[None])
    to_thermal = inverse(RIG.T_visible_thermal)
    storage.write("R", to_thermal.rotation)
    storage.write("T", to_thermal.translation[:, None] * 73)  # in some unit
    storage.release()
    found = read_known(file, SIZES)
    assert not found.metric and found.rig is not None
    assert found.rig.origins["scale"] == "assumed"
    same_maps(found.rig, 1 / BASELINE)


@pytest.mark.parametrize("release", ["RotationOfCamera2", "PoseCamera2"])
def test_a_stereo_calibration_of_matlab(tmp_path: Path, release: str) -> None:
    def camera(own: Camera) -> dict[str, object]:
        one_based = own.matrix + np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
        name, matrix = ("K", one_based) if release == "PoseCamera2" else ("IntrinsicMatrix", one_based.T)
        return {
            "RadialDistortion": own.distortion[:2].tolist(),
            "TangentialDistortion": [0, 0],
            "ImageSize": list(own.size),
            "WorldUnits": "millimeters",
            name: matrix.tolist(),
        }

    to_thermal = inverse(RIG.T_visible_thermal)
    shift = (1000 * to_thermal.translation).tolist()
    record: dict[str, object] = {
        "CameraParameters1": camera(RIG.visible),
        "CameraParameters2": camera(RIG.thermal),
    }
    if release == "PoseCamera2":
        record |= {"PoseCamera2": {"R": to_thermal.rotation.tolist(), "Translation": shift}}
    else:
        record |= {"RotationOfCamera2": to_thermal.rotation.T.tolist(), "TranslationOfCamera2": shift}
    (tmp_path / "stereo.json").write_text(json.dumps(record))
    found = read_known(tmp_path / "stereo.json", SIZES)
    assert found.metric
    same_maps(found.rig)


def test_a_joint_of_a_urdf_and_a_static_transform(tmp_path: Path) -> None:
    pose = Pose.from_vectors(np.array([0.4, -0.7, 1.1]), np.array([0.12, -0.01, 0.02]))
    rig = replace(METRIC, T_visible_thermal=pose)
    write_format("urdf", tmp_path / "rig.urdf", rig)
    root = ElementTree.fromstring(f"<robot>{(tmp_path / 'rig.urdf').read_text()}</robot>")
    joint = root.find("joint")
    assert joint is not None and joint.get("type") == "fixed"
    origin = {name: np.array(value.split(), float) for name, value in joint.find("origin").attrib.items()}  # type: ignore[union-attr]
    np.testing.assert_allclose(origin["xyz"], pose.translation, atol=1e-7)
    turn = np.eye(3)
    for axis, angle in zip(np.eye(3), origin["rpy"], strict=True):  # fixed axes: each turn comes before
        turn = cv2.Rodrigues(axis * angle)[0] @ turn
    np.testing.assert_allclose(turn, pose.rotation, atol=1e-7)
    write_format("static-transform", tmp_path / "tf.sh", rig)
    words = (tmp_path / "tf.sh").read_text().split()
    told = dict(zip(words[4::2], words[5::2], strict=True))
    x, y, z, w = (float(told[f"--q{name}"]) for name in "xyzw")
    assert np.hypot(np.hypot(x, y), np.hypot(z, w)) == pytest.approx(1, abs=1e-6)
    half = np.arccos(w)
    np.testing.assert_allclose(
        cv2.Rodrigues(2 * half * np.array([x, y, z]) / np.sin(half))[0], pose.rotation, atol=1e-5
    )
    assert told["--child-frame-id"] == frames.THERMAL_FRAME


def test_lengths_are_not_made_up(tmp_path: Path) -> None:
    for name in set(WRITERS) - {"camera-info"}:
        with pytest.raises(DistillMatchError, match="--baseline-m"):
            write_format(name, tmp_path / "file", RIG)
    assert not (tmp_path / "file").exists()


def test_an_own_rig_and_files_that_are_none(tmp_path: Path) -> None:
    RigFile.of(LearnedRig(RIG, (0, 0.1)), 3).save(tmp_path / "own.yaml")
    same_maps(read_known(tmp_path / "own.yaml", SIZES).rig, 1 / BASELINE)
    for text in (
        "",
        "a: 1",
        "{}",
        "[1",
        "cam0: 3\ncam1: 4",
        "%YAML:1.0\nM1: !!opencv-matrix",
        CAMERA_INFO[:200],
        "\0",
    ):
        (tmp_path / "other").write_text(text)
        with pytest.raises(DistillMatchError, match="other"):
            read_known(tmp_path / "other", SIZES)
    with pytest.raises(DistillMatchError, match="absent"):
        read_known(tmp_path / "absent", SIZES)


def test_a_scale_by_depth_is_one(tmp_path: Path) -> None:
    """`calibrate --depth` measures the distance of the lenses: exports and readers take it as if given."""
    measured = RIG.with_baseline(BASELINE, {"scale": "measured"})
    for name in set(WRITERS) - {"camera-info"}:
        write_format(name, tmp_path / name, measured)
    RigFile.of(LearnedRig(measured, (0, 0.1)), 3).save(tmp_path / "own.yaml")
    assert read_known(tmp_path / "own.yaml", SIZES).metric
    assert measured.distance(0.5) == "2 m"
