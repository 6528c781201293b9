"""train-gan, translate and evaluate-gan: what they write, and their exit codes."""

import json
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from distillmatch_ros.cli import app
from distillmatch_ros.cli.schemas import schema


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_folder_is_translated_and_what_cannot_be_read_is_told(
    gan: Path, photos_folder: Path, tmp_path: Path
) -> None:
    (photos_folder / "torn.jpg").write_bytes(b"torn")
    result = run("translate", photos_folder, tmp_path / "out", "--weights", gan)
    assert result.exit_code == 1
    assert "torn.jpg" in result.stderr
    assert "3 of 4 images translated" in result.stdout
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["0.png", "1.png", "2.png"]
    for name in written:
        thermal = cv2.imread(str(tmp_path / "out" / name), cv2.IMREAD_UNCHANGED)
        assert thermal.shape == cv2.imread(str(photos_folder / name)).shape[:2]
        assert thermal.dtype == np.uint8
        assert thermal.std() > 0


def test_two_pictures_of_one_name_are_rejected_before_any_work(
    gan: Path, photos_folder: Path, tmp_path: Path
) -> None:
    (photos_folder / "0.jpg").write_bytes((photos_folder / "0.png").read_bytes())
    result = run("translate", photos_folder, tmp_path / "out", "--weights", gan)
    assert result.exit_code == 2
    assert "share a name" in result.stderr
    assert not (tmp_path / "out").exists()


def test_pictures_are_never_overwritten_by_their_translations(gan: Path, photos_folder: Path) -> None:
    before = (photos_folder / "0.png").read_bytes()
    result = run("translate", photos_folder, photos_folder / ".." / photos_folder.name, "--weights", gan)
    assert result.exit_code == 2
    assert "name another folder" in " ".join(result.stderr.split())
    assert (photos_folder / "0.png").read_bytes() == before


def test_a_gan_is_no_matcher(gan: Path, tmp_path: Path) -> None:
    """It is named as what it is, wherever a matcher is wanted."""
    for arguments in (
        ("export", gan, tmp_path / "gan.onnx"),
        ("match", tmp_path / "a.png", tmp_path / "b.png", "--model", gan),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "holds a V2I-GAN, which makes pseudo-thermal images" in " ".join(result.stderr.split())
        assert not (tmp_path / "gan.onnx").exists()


def test_weights_that_are_none_are_wrong_use(photos_folder: Path, student: Path, tmp_path: Path) -> None:
    for weights in (student, tmp_path / "nowhere.pt"):
        result = run("translate", photos_folder, tmp_path / "out", "--weights", weights)
        assert result.exit_code == 2
        assert weights.name in result.stderr


@pytest.mark.slow
def test_evaluate_gan_writes_its_table(gan: Path, pairs_folder: Path, tmp_path: Path) -> None:
    result = run("evaluate-gan", pairs_folder, "--weights", gan, "--out", tmp_path / "out", "--json", "-")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema("evaluate-gan"))
    assert record == json.loads((tmp_path / "out" / "translation.json").read_text())
    assert [figures["method"] for figures in record["figures"]][-2:] == ["V2I-GAN", "real thermal"]
    assert "| V2I-GAN |" in (tmp_path / "out" / "translation.md").read_text()
    shown = run("evaluate-gan", pairs_folder, "--weights", gan)
    assert "random curves" in shown.stdout
    assert "KID" in shown.stdout


@pytest.mark.slow
def test_train_gan_trains(write_gan, tmp_path: Path) -> None:
    result = run("train-gan", write_gan(steps=1))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "gan" / "weights.pt").exists()
