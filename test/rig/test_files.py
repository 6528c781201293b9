from pathlib import Path

import numpy as np
import pytest
import yaml
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.rig.estimation import fit_rig
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig


@pytest.fixture(scope="module")
def learned() -> RigFile:
    return RigFile.of(LearnedRig(fit_rig(drive(5).matches, THERMAL, VISIBLE).rig, (0.0, 0.08)), 5)


def test_file_holds_the_rig_exactly(learned: RigFile, tmp_path: Path) -> None:
    path = tmp_path / "new" / "rig.yaml"
    learned.save(path)
    read = RigFile.load(path)
    before, after = learned.rig.model, read.rig.model
    assert after.visible.same_as(before.visible) and after.thermal.same_as(before.thermal)
    for name in ("rotation", "translation"):
        one, other = (getattr(model.T_visible_thermal, name) for model in (before, after))
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(after.covariance, before.covariance)
    assert after.origins == before.origins
    assert (read.frames, read.date, read.rig.inverse_depths) == (5, learned.date, (0.0, 0.08))
    closest = yaml.safe_load(path.read_text())["homography"]  # for programs that know no rigs
    np.testing.assert_array_equal(closest, before.at(0.04).homography)
    read.rig.check(THERMAL, VISIBLE)
    with pytest.raises(DistillMatchError, match="thermal images of 640x512, but these are 320x240"):
        read.rig.check((240, 320), VISIBLE)


CAMERA = {
    "width": 640,
    "height": 512,
    "matrix": np.diag([500.0, 500.0, 1.0]).tolist(),
    "distortion": [0.0] * 5,
    "distortion_model": "plumb_bob",
}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"visible": None},
        {"covariance": [[1.0]]},
        {"inverse_depths": [0.0, float("nan")]},
        {"T_visible_thermal": {"rotation": np.ones((3, 3)).tolist(), "translation": [1, 0, 0]}},
        {"origins": {"pose": "guessed"}},
        {"inverse_depths": [0.2, 0.1]},
        {"shifted": "no"},
        {"frames": -1},
        {"frames": 1.5},
        {"thermal": CAMERA | {"width": 1.5}},
        {"thermal": CAMERA | {"width": True}},
        {"thermal": CAMERA | {"width": 0}},
        {"thermal": CAMERA | {"matrix": np.diag([-500.0, 500.0, 1.0]).tolist()}},
        {"thermal": CAMERA | {"distortion": [float("nan")]}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_holds_no_rig_is_rejected(change: dict[str, object], learned: RigFile, tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    learned.save(path)
    record = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(record | change))
    with pytest.raises(DistillMatchError, match="holds no rig"):
        RigFile.load(path)
    path.write_text(yaml.safe_dump({k: v for k, v in record.items() if k != next(iter(change))}))
    with pytest.raises(DistillMatchError, match="is missing"):
        RigFile.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": [[1e300, 0, 320], [0, 400, 256], [0, 0, 1]]},
        {"matrix": [[400, 0, 1e300], [0, 400, 256], [0, 0, 1]]},
        {"matrix": [[400, 0, 320], [0, 400, 256], [0, 0, 0]]},
        {"matrix": [[400, 9, 320], [0, 400, 256], [0, 0, 1]]},
        {"matrix": [[400, 0, 320], [-1e28, 400, 256], [0, 0, 1]]},
        {"distortion": [1e308, 0, 0, 0]},
        {"distortion_model": "unheard_of", "distortion": [0.1, 0, 0, 0]},
    ],
)
def test_impossible_camera_is_no_rig(change: dict[str, object], learned: RigFile, tmp_path: Path) -> None:
    record = learned.record()
    path = tmp_path / "rig.yaml"
    path.write_text(yaml.safe_dump(record | {"visible": record["visible"] | change}))
    with pytest.raises(DistillMatchError, match=r"rig\.yaml: holds no rig"):
        RigFile.load(path)


def test_a_file_is_named_by_text_or_path(learned: RigFile, tmp_path: Path) -> None:
    learned.save(str(tmp_path / "rig.yaml"))
    assert RigFile.load(str(tmp_path / "rig.yaml")).frames == 5
    for name in (None, 3, b"rig.yaml"):
        with pytest.raises(DistillMatchError, match="rig file"):
            RigFile.load(name)  # type: ignore[arg-type]
        with pytest.raises(DistillMatchError, match="rig file"):
            learned.save(name)  # type: ignore[arg-type]


def test_depths_of_numpy_are_written_as_numbers(learned: RigFile, tmp_path: Path) -> None:
    depths = np.array([0.0, 0.08])
    path = tmp_path / "rig.yaml"
    RigFile.of(learned.rig.with_depths(*depths), 5).save(path)
    assert RigFile.load(path).rig.inverse_depths == (0.0, 0.08)


def test_origins_say_what_is_given() -> None:
    rig = fit_rig(drive(6).matches, RIG.thermal, VISIBLE).rig
    assert rig.origins["thermal focal length"] == "given" and rig.origins["scale"] == "assumed"
