"""Reports of image files: from JSON Lines, and from the folder that match wrote."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.recordings import EVIL, images
from support.tiny_network import write_tiny
from typer.testing import CliRunner

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.reports.from_files import read_files
from distillmatch_ros.reports.reading import read_recording


def write_pairs(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        made = images(number)
        for side, image in (("visible", made.visible), ("thermal", made.thermal)):
            path = folder / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", np.asarray(image))[1].tobytes())
    return folder


@pytest.fixture(scope="module")
def matched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of match --out, beside the images and the JSON Lines."""
    folder = tmp_path_factory.mktemp("matched")
    write_pairs(folder / "pairs", ["a", EVIL])
    (folder / "pairs/visible/z.png").write_bytes(b"damaged")
    (folder / "pairs/thermal/z.png").write_bytes(b"damaged")
    arguments = ["match", "--pairs", str(folder / "pairs"), "--out", str(folder / "out")]
    more = ["--json", str(folder / "found.jsonl"), "--model", str(write_tiny(folder / "tiny.onnx"))]
    assert CliRunner().invoke(app, [*arguments, *more]).exit_code == 1
    return folder


def test_a_folder_of_match_says_all_that_a_report_needs(
    matched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    found = read_recording(matched / "out")
    assert len(found.entries) == 3 and found.entries[2].status == "ERROR"
    names = [entry.name for entry in found.entries]
    assert names == [f"../pairs/visible/{name}.png" for name in (EVIL, "a", "z")]
    first = found.entries[0]
    assert first.visible_size == (120, 160) and first.thermal_size == (96, 128)
    assert first.correspondences is not None and len(first.correspondences.inliers) == first.matches
    assert first.latency_ms is not None and not found.timed
    loaded = found.load(found.entries)
    assert set(loaded) == {1, 2} and loaded[1].thermal is not None and loaded[1].thermal.dtype == np.uint16
    assert len(found.problems) == 1 and "z.png" in found.problems[0]


def test_json_lines_are_enough_where_their_images_are_gone(matched: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.jsonl"
    record = [json.loads(line) for line in (matched / "found.jsonl").read_text().splitlines()]
    gone = [each | {"visible": f"v{n}.png", "thermal": f"t{n}.png"} for n, each in enumerate(record)]
    moved.write_text("\n".join(map(json.dumps, gone)))
    found = read_files(moved)
    assert len(found.entries) == 3 and found.load(found.entries) == {}
    assert found.entries[0].visible_size is None and found.entries[0].correspondences is None
    assert read_files(moved, matched).entries[1].inliers == record[1]["inliers"]


def test_of_a_pair_that_was_matched_twice_the_last_counts(matched: Path, tmp_path: Path) -> None:
    lines = (matched / "out/pairs.jsonl").read_text().splitlines()
    again = json.loads(lines[1]) | {"status": "FEW_MATCHES", "homography": None}
    (tmp_path / "pairs.jsonl").write_text("\n".join([*lines, json.dumps(again)]))
    assert [entry.status for entry in read_files(tmp_path).entries][1:] == ["FEW_MATCHES", "ERROR"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no pairs"),
        ("not json", "line 1 is no pair"),
        ('{"a": 1}', "line 1 is no pair"),
        ("[]", "line 1 is no pair"),
    ],
)
def test_other_files_are_told(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(DistillMatchError, match=said):
        read_files(tmp_path / "x.jsonl")


def test_other_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match="no such file or folder"):
        read_recording(tmp_path / "absent")
    with pytest.raises(DistillMatchError, match=r"holds neither pairs\.jsonl"):
        read_recording(tmp_path)
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DistillMatchError, match="cannot be read"):
        read_recording(tmp_path / "x.jsonl")
