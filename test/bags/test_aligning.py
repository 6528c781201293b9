"""Drives as aligned pairs: which are kept, where they go, and whether they are aligned."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calibrated_drives import moved, registered
from support.cli import assert_wrong_use, run
from support.simulated_rig import shapes

from distillmatch_ros.bags.aligned_pairs import AlignRecord, PairsFolder
from distillmatch_ros.bags.aligning import Aligning, Choice
from distillmatch_ros.bags.splitting import Split, split
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.demo.drive import record_drive
from distillmatch_ros.geometry.camera import EQUIDISTANT, Camera
from distillmatch_ros.images.likeness import Look, sharpness
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.exchange.reconstruction import colmap_cameras, nerf_camera
from distillmatch_ros.scene import Scene, SyntheticPair
from distillmatch_ros.stream.parameters import Parameters


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.floats(0, 1), st.floats(0, 5))
def test_the_parts_of_a_drive_share_no_time(steps: list[int], val: float, gap: float) -> None:
    stamps = [int(1e6) * int(ms) for ms in np.cumsum(steps)]
    parts = split(stamps, val, gap)
    trained = [stamp for stamp, part in zip(stamps, parts, strict=True) if part is Split.TRAIN]
    validated = [stamp for stamp, part in zip(stamps, parts, strict=True) if part is Split.VAL]
    assert len(parts) == len(stamps) and (trained or validated)
    if trained and validated:
        assert min(validated) - max(trained) >= gap * SECOND - 1000
    if validated:
        assert len(validated) == round(val * len(stamps))


def test_a_robot_that_stands_has_not_come_farther() -> None:
    stamps = [second * SECOND for second in (0, 1, 2, 62, 63)]
    assert split(stamps, 0.4, 2.0) == [Split.TRAIN, Split.TRAIN, None, Split.VAL, Split.VAL]


def test_a_blur_along_one_direction_is_told_and_noise_is_not(day: SyntheticPair) -> None:
    grey = cv2.cvtColor(day.visible, cv2.COLOR_BGR2GRAY)
    sharp = sharpness(grey)
    noise = np.random.default_rng(0).normal(0, 4, grey.shape)
    noisy = np.clip(grey + noise, 0, 255).astype(np.uint8)
    for kernel in ((15, 1), (1, 15)):
        assert sharpness(np.asarray(cv2.blur(grey, kernel), np.uint8)) < 0.7 * sharp
    assert sharpness(noisy) > 0.9 * sharp
    assert sharpness(np.zeros((48, 64), np.uint8)) == 0


def test_another_exposure_is_no_change_and_another_place_is(day: SyntheticPair) -> None:
    grey = cv2.cvtColor(day.visible, cv2.COLOR_BGR2GRAY)
    assert Look(grey).change(Look((0.7 * grey).astype(np.uint8))) == 0
    assert Look(grey).change(Look(np.roll(grey, 40, axis=1))) > 0.05


def test_cameras_are_as_other_tools_read_them() -> None:
    matrix = np.array([[500.0, 0, 319.5], [0, 501.0, 255.5], [0, 0, 1]])
    plain = Camera((512, 640), matrix, np.array([-0.2, 0.1, 0.001, 0.002]))
    assert colmap_cameras(plain).splitlines()[1] == "1 OPENCV 640 512 500 501 320 256 -0.2 0.1 0.001 0.002"
    assert colmap_cameras(Camera((512, 640), matrix)).splitlines()[1] == "1 PINHOLE 640 512 500 501 320 256"
    told = nerf_camera(plain)
    assert (told["w"], told["h"], told["fl_x"], told["cy"], told["k1"]) == (640, 512, 500, 256, -0.2)
    fisheye = Camera((512, 640), matrix, np.array([0.1, 0.2, 0.3, 0.4]), EQUIDISTANT)
    assert colmap_cameras(fisheye).splitlines()[1].endswith("320 256 0.1 0.2 0.3 0.4")
    assert (nerf_camera(fisheye)["camera_model"], nerf_camera(fisheye)["k4"]) == ("OPENCV_FISHEYE", 0.4)


def aligned(tmp_path: Path, seen: list[tuple[int, int, Registration]]) -> AlignRecord:
    """What becomes of pairs, each a picture by its seed, blurred over some pixels, and its registration."""
    aligning = Aligning(PairsFolder(tmp_path / "pairs"), Choice(gap_seconds=0.0, val=0.0), Parameters())
    aligning._begin("drive")
    for number, (seed, blur, found) in enumerate(seen):
        visible = np.asarray(cv2.blur(shapes(seed), (blur, 1)), np.uint8)
        thermal = 255 - moved(0.0).warp_visible(shapes(seed))
        aligning._take(visible, thermal, found, number * SECOND, "drive")
    return aligning.finish()


def test_each_pair_that_is_left_out_has_its_reason(tmp_path: Path) -> None:
    good = replace(registered(moved(0.0), 0, 1.0), probability=0.9)
    without = replace(good, mapping=None, status=Status.FEW_MATCHES)
    others = (Status.REPEATED, Status.STALE_THERMAL, Status.STALE_VISIBLE, Status.HELD)
    record = aligned(
        tmp_path,
        [
            *((seed, 1, good) for seed in range(5)),
            (5, 1, replace(good, probability=0.3)),
            *((seed, 1, replace(good, status=status)) for seed, status in enumerate(others, 6)),
            (10, 1, without),
            (11, 61, good),
        ],
    )
    assert record["left_out"] == {"improbable": 1, "blurred": 1, "FEW_MATCHES": 1} | dict.fromkeys(others, 1)
    assert record["kept"] == {"train": 5, "val": 0} and record["expected_error"]["below_10_px"] == 0.9


def test_of_nearly_equal_pairs_the_sharpest_stays(tmp_path: Path) -> None:
    good = registered(moved(0.0), 0, 1.0)
    record = aligned(tmp_path, [(0, 5, good), (0, 1, good), (0, 5, good), (1, 1, good)])
    assert record["left_out"] == {"near-duplicate": 2}
    assert [each["stamp"] for each in record["pairs"]] == [SECOND, 3 * SECOND]
    assert record["expected_error"]["below_10_px"] is None and not record["camera"]
    assert len(read_folder(tmp_path / "pairs" / "train")) == 2


def test_pairs_replace_those_of_an_earlier_run_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for folder in ("train/visible", "val/visible"):
        (out / folder).mkdir(parents=True)
        (out / folder / "old.png").write_bytes(b"old")
    (out / "labels.csv").write_text("mine")
    aligned(tmp_path, [(0, 1, registered(moved(0.0), 0, 1.0))])
    PairsFolder(tmp_path / "pairs").publish(out)
    kept = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    images = {f"train/{side}/01_000001.png" for side in ("visible", "thermal", "mask")}
    assert kept == {"labels.csv", "align.json", *images}
    assert not (tmp_path / "pairs").exists()


def test_a_drive_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    lost = replace(registered(moved(0.0), 0, 1.0), mapping=None, status=Status.FEW_INLIERS)
    with pytest.raises(DistillMatchError, match=r"none of 1 pairs.*1 FEW_INLIERS"):
        aligned(tmp_path, [(0, 1, lost)])


@pytest.mark.slow
def test_training_reads_the_pairs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from distillmatch_ros.training.sources import load_pairs

    good = registered(moved(0.0), 0, 1.0)
    aligned(tmp_path, [(seed, 1, good) for seed in range(3)])
    assert len(load_pairs(tmp_path / "pairs" / "train").aspects) == 3


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    (tmp_path / "drive.mcap").write_bytes(b"")
    given = "align", str(tmp_path / "drive.mcap"), "--overwrite", "--out"
    assert_wrong_use(run(*given, str(tmp_path / "out")), "holds other files")
    assert_wrong_use(run(*given, str(tmp_path)), "holds the input")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    record_drive(path, frames=8)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["visible", "thermal"])
def test_a_drive_becomes_aligned_pairs(frame: str, drive: Path, tmp_path: Path) -> None:
    bag, out = drive, tmp_path / "pairs"
    done = run("align", bag, "--out", out, "--frame", frame, "--gap", "0.3", "--val", "0.25", "--json", "-")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record == json.loads((out / "align.json").read_text())
    assert record["read"] == 8 == len(record["pairs"]) + sum(record["left_out"].values())
    assert record["kept"]["train"] and record["kept"]["val"] and record["left_out"]["between train and val"]
    assert 0.5 < record["expected_error"]["below_10_px"] <= 1
    for part in ("train", "val"):
        pairs = read_folder(out / part)
        assert [pair.visible.stem for pair in pairs] == [
            each["name"] for each in record["pairs"] if each["split"] == part
        ]
        told = json.loads((out / part / "transforms.json").read_text())
        assert [told["h"], told["w"]] == record["size"] and len(told["frames"]) == len(pairs)
        for pair in pairs:
            images = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (pair.visible, pair.thermal)]
            mask = cv2.imread(str(out / part / "mask" / pair.visible.name), cv2.IMREAD_UNCHANGED)
            assert all(list(image.shape[:2]) == record["size"] for image in (*images, mask))
            assert images[1].dtype == np.uint16 and set(np.unique(mask)) <= {0, 255}
            warped = images[1] if frame == "visible" else images[0]
            assert not warped[mask == 0].any() and warped[mask > 0].any()
            assert 0.2 < (mask > 0).mean() <= 1
    if frame == "visible":
        assert_aligned(out / "train" / "thermal", Scene(0).render(0.0))
    assert not list(tmp_path.glob(".*"))
    assert run("align", bag, "--out", out).exit_code == 2


def assert_aligned(folder: Path, pair: SyntheticPair) -> None:
    """The readings of the drive's first pair lie where the scene says, not a few pixels beside it."""
    warped = cv2.imread(str(folder / "01_000001.png"), cv2.IMREAD_UNCHANGED).astype(np.float64)
    rows, columns = np.nonzero(np.isfinite(pair.truth[..., 0]))
    x, y = pair.truth[rows, columns].round().astype(int).T
    inside = (x >= 10) & (x < warped.shape[1] - 10) & (y >= 0) & (y < warped.shape[0])
    rows, columns, x, y = (each[inside] for each in (rows, columns, x, y))
    gaps = {off: np.abs(warped[y, x + off] - pair.thermal[rows, columns]).mean() for off in (-10, 0, 10)}
    assert gaps[0] < 0.6 * min(gaps[-10], gaps[10])
