"""match with a rig, and depth or regions: what lies in the folder afterwards is true."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.cli import run

from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.images.files import read_image
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.scene import SyntheticPair


@pytest.fixture
def files(tmp_path: Path, room: SyntheticPair) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), room.visible)
    cv2.imwrite(str(tmp_path / "thermal.png"), room.thermal)
    millimetres = (1000 * room.visible_depth).astype(np.uint16)
    millimetres[500:620, 100:500] = 0
    cv2.imwrite(str(tmp_path / "depth.png"), millimetres)
    RigFile.of(LearnedRig(true_rig(room), DEPTHS, shifted=False), 30).save(tmp_path / "rig.yaml")
    return tmp_path


def match(files: Path, model: str, *more: object) -> None:
    done = run(
        *("match", files / "a.png", files / "thermal.png", "--rig", files / "rig.yaml", "--model", model),
        *("--out", files / "out", *more),
    )
    assert done.exit_code == 0, done.output


def read_ply(path: Path) -> np.ndarray:
    header, data = path.read_bytes().split(b"end_header\n", 1)
    kinds = {"float": "<f4", "uchar": "u1", "ushort": "<u2"}
    words = [line.split() for line in header.decode().splitlines()]
    assert words[:2] == [["ply"], ["format", "binary_little_endian", "1.0"]]
    fields = [(line[2], kinds[line[1]]) for line in words if line[0] == "property"]
    cloud = np.frombuffer(data, fields)
    assert ["element", "vertex", str(len(cloud))] in words
    return cloud


@pytest.mark.slow
def test_a_rig_that_tells_no_lengths_maps_depth_without_a_cloud_and_says_so(files: Path, model: str) -> None:
    rig = RigFile.load(files / "rig.yaml")
    model_of_rig = replace(rig.rig.model, origins={"scale": "assumed", "parallax": "measured"})
    replace(rig, rig=replace(rig.rig, model=model_of_rig)).save(files / "rig.yaml")
    pairs = "visible,thermal\n" + 2 * "a.png,thermal.png\n"
    (files / "pairs.csv").write_text(pairs)
    named = ("--rig", files / "rig.yaml", "--depth", files / "depth", "--out", files / "out")
    (files / "depth").mkdir()
    (files / "depth.png").rename(files / "depth" / "a.png")
    done = run("match", "--pairs", files / "pairs.csv", "--model", model, *named)
    assert done.exit_code == 0, done.output
    assert not list((files / "out").glob("*.ply")) and done.output.count("no point cloud") == 1


@pytest.mark.slow
def test_depth_gives_registered_images_a_mask_with_holes_and_a_cloud(
    files: Path, model: str, room: SyntheticPair
) -> None:
    match(files, model, "--depth", files / "depth.png")
    warped, mask = (read_image(files / f"out/a_{name}.png") for name in ("registered", "mask"))
    assert set(np.unique(mask)) == {0, 128, 255}
    assert np.mean(mask[500:620, 300:480] == 128) > 0.8  # the hole, as far as the thermal camera sees it
    places = room.visible_truth.places
    true = cv2.remap(room.thermal, places[..., 0], places[..., 1], cv2.INTER_NEAREST)
    both = (mask == 255) & np.isfinite(places[..., 0])
    assert np.mean(np.abs(warped.astype(int) - true)[both] < 30) > 0.97
    assert np.mean(mask[room.visible_truth.hidden] == 255) < 0.01
    assert read_image(files / "out/a_visible_registered.png").shape == (512, 640, 3)

    cloud = read_ply(files / "out/a_cloud.ply")
    assert len(cloud) == (mask == 255).sum()
    points = np.column_stack([cloud[axis] for axis in "xyz"])
    columns, rows = np.rint(true_rig(room).visible.project(points)).astype(int).T
    assert np.mean(np.abs(room.visible_depth[rows, columns] - cloud["z"]) < 0.02) > 0.99
    np.testing.assert_array_equal(room.visible[rows, columns, 0], cloud["blue"])
    np.testing.assert_array_equal(warped[rows, columns], cloud["thermal"])


@pytest.mark.slow
def test_a_folder_of_depth_goes_by_the_visible_images_names(files: Path, model: str) -> None:
    folder = files / "depths"
    folder.mkdir()
    (files / "depth.png").rename(folder / "a.png")
    match(files, model, "--depth", folder)
    assert (files / "out/a_cloud.ply").exists()
    (folder / "a.png").rename(folder / "b.png")
    done = run(
        *("match", files / "a.png", files / "thermal.png", "--rig", files / "rig.yaml", "--model", model),
        *("--depth", folder),
    )
    assert done.exit_code == 1 and "depths" in done.output


def test_regions_write_no_cloud(files: Path, model: str) -> None:
    match(files, model, "--parallax", "regions")
    assert set(np.unique(read_image(files / "out/a_mask.png"))) == {0, 255}
    assert not (files / "out/a_cloud.ply").exists()


def test_depth_in_metres_as_integers_is_an_error_of_the_pair(files: Path, model: str) -> None:
    cv2.imwrite(str(files / "depth.png"), np.full((720, 960), 3, np.uint16))
    done = run(
        *("match", files / "a.png", files / "thermal.png", "--rig", files / "rig.yaml", "--model", model),
        *("--depth", files / "depth.png"),
    )
    assert done.exit_code == 1 and "depth.png:" in done.output


def test_depth_that_is_unknown_everywhere_is_said_and_the_pair_is_mapped(files: Path, model: str) -> None:
    cv2.imwrite(str(files / "depth.png"), np.zeros((720, 960), np.uint16))
    done = run(
        *("match", files / "a.png", files / "thermal.png", "--rig", files / "rig.yaml", "--model", model),
        *("--depth", files / "depth.png", "--json", files / "found.json"),
    )
    record = json.loads((files / "found.json").read_text())
    assert done.exit_code == 0 and record["homography"] and "depth.png" in record["note"]


@pytest.mark.parametrize(
    "options",
    [("--depth", "depth.png"), ("--parallax", "regions")],
)
def test_depth_and_regions_need_a_rig(files: Path, model: str, options: tuple[str, str]) -> None:
    done = run("match", files / "a.png", files / "thermal.png", "--model", model, *options)
    assert done.exit_code == 2


@pytest.mark.slow
def test_depth_of_several_pairs_tells_the_scale_of_a_rig(
    files: Path, model: str, room: SyntheticPair
) -> None:
    unit = LearnedRig(true_rig(room), DEPTHS, shifted=False).with_baseline(1.0)
    unit = replace(unit, model=replace(unit.model, origins={"scale": "assumed"}))
    RigFile.of(unit, 30).save(files / "unit.yaml")
    depths = files / "depths"
    depths.mkdir()
    for number in range(5):
        cv2.imwrite(str(files / f"{number}.png"), room.visible)
        (depths / f"{number}.png").write_bytes((files / "depth.png").read_bytes())
    (files / "pairs.csv").write_text(
        "visible,thermal\n" + "".join(f"{n}.png,thermal.png\n" for n in range(5))
    )
    told = ("match", "--pairs", files / "pairs.csv", "--rig", files / "unit.yaml", "--depth", depths)
    done = run(*told, "--model", model, "--out", files / "out")
    assert done.exit_code == 0, done.output
    assert "by the depth of 5 pairs" in done.output
    cloud = read_ply(files / "out/0_cloud.ply")
    assert np.median(cloud["z"]) == pytest.approx(np.median(room.visible_depth), rel=0.2)
    (depths / "0.png").unlink()
    done = run(*told, "--model", model)
    assert done.exit_code != 0 and "too few" in done.output
