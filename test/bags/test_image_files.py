"""Files in, lines of JSON and pictures out, through a real ONNX network that lays one frame on the other."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of, scene_pair

from distillmatch_ros.bags.image_files import match_files, write_lines
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.temperature import CAMERAS
from distillmatch_ros.registration.registrar import Registrar

KEYS = [
    *("visible", "thermal", "homography", "status", "rejected_by", "matches", "inliers", "probability"),
    *("quality", "latency_ms"),
]
TWICE = np.array([(2, 0, 0.5), (0, 2, 0.5), (0, 0, 1)])


@pytest.fixture
def registrar(write_network) -> Iterator[Registrar]:
    with Registrar.open(write_network()) as opened:
        yield opened


def scene(height: int, width: int) -> np.ndarray:
    """The same clouds at any size, 8 bit."""
    clouds = cv2.GaussianBlur(np.random.default_rng(0).random((128, 160)), (0, 0), 2.5)
    clouds = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_AREA)
    return ((clouds - clouds.min()) / np.ptp(clouds) * 255).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def make_pair(
    root: Path, name: str = "a", thermal: np.ndarray | None = None, suffix: str = "png"
) -> PairPaths:
    visible = save(root / "visible" / f"{name}.png", np.dstack([scene(128, 160)] * 3))
    seen = 255 - scene(64, 80) if thermal is None else thermal
    return PairPaths.of(visible, save(root / "thermal" / f"{name}.{suffix}", seen))


def test_record_keeps_the_contract(registrar: Registrar, tmp_path: Path) -> None:
    made = make_pair(tmp_path)
    pair = PairPaths(made.visible, made.thermal, ("v/ä.png", "t.png"))
    (result,) = match_files(registrar, [pair])
    record = result.record()
    assert list(record) == KEYS
    assert (record["visible"], record["thermal"], record["status"]) == ("v/ä.png", "t.png", "OK")
    gaps = transform(np.array(record["homography"]), corners((64, 80))) - transform(TWICE, corners((64, 80)))
    assert np.abs(gaps).max() < 1
    assert record["matches"] == record["inliers"] == 100
    assert record["latency_ms"].keys() >= {"gain_control", "resize", "engine", "homography"}


def test_points_are_pixels_of_the_files(registrar: Registrar, tmp_path: Path) -> None:
    (result,) = match_files(registrar, [make_pair(tmp_path)])
    rows = result.record(points=True)["correspondences"]
    assert len(rows) == 100 and all(row[5] is True and 0 < row[4] <= 1 for row in rows)
    points = np.array([row[:4] for row in rows])
    np.testing.assert_allclose(points[:, :2], 2 * points[:, 2:] + 0.5, atol=1e-3)


def test_unreadable_image_is_a_line_and_the_next_pair_follows(registrar: Registrar, tmp_path: Path) -> None:
    good = make_pair(tmp_path)
    empty = tmp_path / "empty.png"
    empty.touch()
    pairs = [PairPaths.of(good.visible, empty), PairPaths.of(tmp_path / "absent.png", good.thermal), good]
    results = list(match_files(registrar, pairs, tmp_path / "out"))
    assert [result.status for result in results] == ["ERROR", "ERROR", "OK"]
    record = results[0].record(points=True)
    assert list(record) == [*KEYS, "correspondences", "error"]
    assert record["homography"] is None and record["correspondences"] == [] and record["matches"] == 0
    assert "empty.png" in record["error"] and "absent.png" in results[1].record()["error"]
    assert len(results[2].pictures) == 5 and not results[0].pictures


def test_refusal_leaves_no_registered_picture_of_an_earlier_run(registrar: Registrar, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pair = make_pair(tmp_path)
    list(match_files(registrar, [pair], out))
    assert (out / "a_registered.png").exists() and (out / "a_mask.png").exists()
    make_pair(tmp_path, thermal=np.zeros((64, 80), np.uint8))
    (result,) = match_files(registrar, [pair], out)
    assert result.status == "FEW_MATCHES" and result.record()["homography"] is None
    assert sorted(path.name for path in out.iterdir()) == ["a_matches.png", "a_overlay.png"]
    assert sorted(result.pictures) == sorted(out.iterdir())


@pytest.mark.parametrize(
    ("dtype", "suffix", "written"),
    [(np.uint8, "png", "png"), (np.uint16, "png", "png"), (np.float32, "tiff", "tiff")],
)
def test_registered_thermal_keeps_depth_and_values(
    registrar: Registrar, tmp_path: Path, dtype: type, suffix: str, written: str
) -> None:
    hot, cold = (201, 100) if dtype is np.uint8 else (29315, 100)
    thermal = np.where(scene(64, 80) > 120, hot, cold).astype(dtype)
    (result,) = match_files(
        registrar, [make_pair(tmp_path, thermal=thermal, suffix=suffix)], tmp_path / "out"
    )
    registered = read_image(tmp_path / "out" / f"a_registered.{written}")
    assert registered.shape == (128, 160) and registered.dtype == dtype
    expected = np.repeat(np.repeat(thermal, 2, axis=0), 2, axis=1)
    near = np.abs(registered.astype(float) - expected) < 0.2 * (hot - cold)
    assert near.mean() > 0.7  # all but the borders between hot and cold
    if dtype is not np.uint8:
        outside = np.nan if dtype is np.float32 else 0
        assert set(np.unique(registered[np.isfinite(registered)])) <= {cold, hot, outside}
    assert result.pictures


def test_registered_thermal_in_degrees(registrar: Registrar, tmp_path: Path) -> None:
    thermal = np.where(scene(64, 80) > 120, 31_315, 29_315).astype(np.uint16)
    pair = make_pair(tmp_path, thermal=thermal, suffix="png")
    (_,) = match_files(registrar, [pair], tmp_path / "out", temperature=CAMERAS["lepton"])
    registered = read_image(tmp_path / "out" / "a_registered.tiff")
    assert registered.dtype == np.float32
    assert set(np.unique(registered[np.isfinite(registered)].round(3))) == {np.float32(20), np.float32(40)}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_mask_tells_which_registered_pixels_are_readings(tmp_path: Path, dtype: type) -> None:
    """A float image of temperatures far below 0 once had its hottest pixels where it saw nothing."""
    visible, seen = scene_pair()
    thermal = (np.float32(0.2) * seen + (200 if dtype is np.uint16 else -203)).astype(dtype)
    paths = save(tmp_path / "a.png", visible), save(tmp_path / "t.tiff", thermal)
    with Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1) as scripted:
        (result,) = match_files(scripted, [PairPaths.of(*paths)], tmp_path / "out")
    assert result.status == "OK" and len(result.pictures) == 5
    mask = read_image(tmp_path / "out/a_mask.png")
    assert mask.shape == visible.shape and set(np.unique(mask)) == {0, 255}
    registered = read_image(next((tmp_path / "out").glob("a_registered.*")))
    assert np.isin(registered[mask == 255], thermal).all()
    outside = registered[mask == 0]
    assert outside.size and (np.isnan(outside).all() if dtype is np.float32 else not outside.any())


def test_pictures_are_colour_and_have_something_in_them(registrar: Registrar, tmp_path: Path) -> None:
    list(match_files(registrar, [make_pair(tmp_path, "my.scene")], tmp_path))
    for kind in ("overlay", "matches"):
        picture = read_image(tmp_path / f"my.scene_{kind}.png")
        assert picture.ndim == 3 and picture.dtype == np.uint8 and picture.std() > 10


def test_equal_names_from_several_folders_do_not_overwrite_each_other(
    registrar: Registrar, tmp_path: Path
) -> None:
    pairs = [
        make_pair(tmp_path / folder, name)
        for folder, name in zip("uvwxy", ["a", "a", "A", "a-2", "a-2"], strict=True)
    ]
    results = list(match_files(registrar, pairs, tmp_path / "out"))
    overlays = [next(path.name for path in result.pictures if "overlay" in path.name) for result in results]
    assert overlays == [f"{name}_overlay.png" for name in ("a", "a-3", "A-4", "a-2", "a-2-2")]
    assert len(list((tmp_path / "out").iterdir())) == 25


def test_every_line_reaches_the_file_before_the_next_pair(registrar: Registrar, tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    results = write_lines(match_files(registrar, [make_pair(tmp_path, name) for name in "abc"]), path)
    for done in (1, 2, 3):
        next(results)
        lines = path.read_text().splitlines(keepends=True)
        assert len(lines) == done and lines[-1].endswith("}\n")
    assert [Path(json.loads(line)["visible"]).stem for line in lines] == ["a", "b", "c"]


def test_pictures_that_cannot_be_written_stop_the_run(registrar: Registrar, tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    with pytest.raises(DistillMatchError, match=r"a\.png/a: cannot be written"):
        list(match_files(registrar, [pair], pair.visible))


def test_exchanged_images_are_told_once(registrar: Registrar, tmp_path: Path) -> None:
    pairs = [make_pair(tmp_path, name) for name in "abc"]
    exchanged = [PairPaths.of(pair.thermal, pair.visible) for pair in pairs]
    assert [result.advice is not None for result in match_files(registrar, exchanged)] == [True, False, False]
    assert [result.advice for result in match_files(registrar, pairs)] == [None] * 3
