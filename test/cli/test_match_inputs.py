"""What `match` takes besides two plain images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import texture
from support.radiometric import flir_jpeg
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of, scene_pair
from support.simulated_rig import RIG, THERMAL, VISIBLE, grid
from typer.testing import CliRunner

from distillmatch_ros.bags.image_files import match_files
from distillmatch_ros.cli import app
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


def lines(*arguments: object) -> tuple[int, list[dict[str, object]]]:
    result = CliRunner().invoke(app, ["match", *map(str, arguments), "--json", "-"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_two_folders_of_images_are_wrong_use_and_name_the_option(tmp_path: Path) -> None:
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
    result = CliRunner().invoke(app, ["match", str(tmp_path / "visible"), str(tmp_path / "thermal")])
    assert result.exit_code == 2 and "--pairs" in result.stderr


def flir(folder: Path, name: str) -> Path:
    raw = (texture(3, (64, 80)).astype(np.uint16) + 13000).astype(np.uint16)
    visible = np.dstack([texture(3, (96, 120))] * 3)
    (folder / name).write_bytes(flir_jpeg(raw, visible))
    return folder / name


@pytest.mark.slow
def test_visible_image_comes_out_of_the_thermal_file(tmp_path: Path, model: str) -> None:
    one = flir(tmp_path, "a.jpg")
    flir(tmp_path, "b.jpg")
    assert lines("--visible-from-thermal", one, "--model", model)[1][0]["status"] != "ERROR"
    code, records = lines("--visible-from-thermal", "--pairs", tmp_path, "--model", model)
    assert code == 0
    assert [record["thermal"] for record in records] == [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]


def test_file_without_visible_image_is_an_error_of_its_own(tmp_path: Path, model: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), texture(0, (64, 80)))
    flir(tmp_path, "b.jpg")
    code, records = lines("--visible-from-thermal", "--pairs", tmp_path, "--model", model)
    assert code == 1
    assert "holds no visible image" in str(records[0]["error"])
    assert records[1]["status"] != "ERROR"


@pytest.mark.parametrize("arguments", [[], ["a.jpg", "b.jpg"], ["a.jpg", "--pairs", "folder"]])
def test_visible_from_thermal_takes_one_file_or_a_folder(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["match", "--visible-from-thermal", *arguments])
    assert result.exit_code == 2
    assert "give THERMAL alone" in result.stderr


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float16", "float32", "float64"])
def test_registered_image_keeps_every_depth(tmp_path: Path, dtype: str) -> None:
    visible, thermal = scene_pair()
    values = (thermal.astype(np.float64) * 4 + (20 if dtype.startswith("u") else -500)).astype(dtype)
    cv2.imwrite(str(tmp_path / "v.png"), visible)
    np.save(tmp_path / "t.npy", values)
    pair = PairPaths.of(tmp_path / "v.png", tmp_path / "t.npy")
    (result,) = match_files(Registrar(ScriptedEngine(points_of(plain(TRUTH)))), [pair], tmp_path / "out")
    assert result.status == "OK", result.error
    registered = read_image(tmp_path / "out/v_registered.tiff")
    assert registered.dtype == values.dtype
    inside = registered[np.isfinite(registered) & (registered != 0)]
    assert inside.size
    assert set(np.unique(inside)) <= set(np.unique(values))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_only_16_bits_are_said_to_look_black(tmp_path: Path, dtype: str) -> None:
    visible, thermal = scene_pair()
    cv2.imwrite(str(tmp_path / "v.png"), visible)
    cv2.imwrite(str(tmp_path / "t.png"), thermal.astype(dtype))
    pair = PairPaths.of(tmp_path / "v.png", tmp_path / "t.png")
    (result,) = match_files(Registrar(ScriptedEngine(points_of(plain(TRUTH)))), [pair], tmp_path / "out")
    assert result.status == "OK" and result.looks_black == (dtype == "uint16")


def test_a_rig_is_learned_from_pairs_and_said_where_there_are_too_few(tmp_path: Path, model: str) -> None:
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "a.png"), texture(0, (64, 80)))
    result = CliRunner().invoke(app, ["match", "--pairs", str(tmp_path), "--rig", "auto", "--model", model])
    assert result.exit_code == 2 and "at least 8" in result.stderr
    for wrong in (["a.png", "b.png", "--rig", "auto"], ["--pairs", str(tmp_path), "--rig-out", "r.yaml"]):
        assert CliRunner().invoke(app, ["match", *wrong]).exit_code == 2


def test_a_rig_maps_pairs_that_have_no_homography(tmp_path: Path, model: str) -> None:
    RigFile(LearnedRig(RIG, (0.0, 0.08)), 12, "2026-01-01T00:00:00+00:00").save(tmp_path / "rig.yaml")
    cv2.imwrite(str(tmp_path / "v.png"), texture(0, VISIBLE))
    cv2.imwrite(str(tmp_path / "t.png"), texture(1, THERMAL))
    code, records = lines(
        tmp_path / "v.png", tmp_path / "t.png", "--rig", tmp_path / "rig.yaml", "--model", model
    )
    assert code == 0 and records[0]["status"] == "FIXED", records
    homography = np.array(records[0]["homography"])
    near = [RIG.at(depth).homography for depth in np.linspace(-0.02, 0.1, 13)]
    gaps = [np.abs(transform(homography, grid()) - transform(each, grid())).max() for each in near]
    assert min(gaps) < 60
    cv2.imwrite(str(tmp_path / "t.png"), texture(1, (64, 80)))
    code, records = lines(
        tmp_path / "v.png", tmp_path / "t.png", "--rig", tmp_path / "rig.yaml", "--model", model
    )
    assert code == 1 and "640x512" in str(records[0]["error"]) and "rig.yaml" in str(records[0]["error"])
