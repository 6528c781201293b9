"""Recordings for Rerun's viewer, read back by its own package."""

import resource
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.bags import RGB, START, Drive, write_bag
from support.bags import THERMAL as HEAT
from support.cli import assert_wrong_use, run
from support.simulated_rig import camera
from support.tiny_network import WriteNetwork

from distillmatch_ros.bags.rerun_file import (
    INLIERS,
    OVERLAY,
    POINTS,
    PROBABILITY,
    STATUS,
    THERMAL,
    VISIBLE,
    recording,
)
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.stream.calibration import ImageFormat, PairFormat
from distillmatch_ros.stream.metric import SupportedRig
from distillmatch_ros.stream.result import Result

chunks = pytest.importorskip("rerun.chunk", reason="the extra rerun is not installed")

RIG = RigModel(
    camera((192, 256), 200.0), camera((128, 160), 140.0), Pose(np.eye(3), np.array([-0.08, 0.0, 0.01]))
)
VISIBLE_IMAGE = np.random.default_rng(0).integers(0, 255, (192, 256, 3), np.uint8)
THERMAL_IMAGE = np.random.default_rng(1).integers(29_000, 31_000, (128, 160), np.uint16)
DEPTH_M = np.linspace(2, 4, 192 * 256, dtype=np.float32).reshape(192, 256)


@pytest.fixture(scope="module")
def by_depth() -> Registration:
    mapping = DepthMapping(RIG, 1 / DEPTH_M, np.array([0.0, 0.0, 0.3]))
    points = np.array([(100, 200), (300, 100), (320, 240)], np.float32)
    return replace(
        Registration.without_matches(Status.OK, mapping, {}),
        visible_points=points,
        thermal_points=points / 2,
        confidence=np.ones(3, np.float32),
        inliers=np.array([True, True, False]),
        probability=0.75,
    )


def read(path: Path) -> dict[str, dict[str, list[tuple[int, Any]]]]:
    """By entity and component: time and value, in the order of time."""
    found: dict[str, dict[str, list[tuple[int, Any]]]] = defaultdict(lambda: defaultdict(list))
    for chunk in chunks.RrdReader(path).stream():
        batch = chunk.to_record_batch()
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if field.name.startswith("rerun.") or field.name in chunk.timeline_names:
                continue
            assert len(chunk.timeline_names) <= 1, "one timeline"
            times = batch.column(chunk.timeline_names[0]).to_pylist() if chunk.timeline_names else [0]
            name = field.name.partition(":")[2]
            found[chunk.entity_path.strip("/")][name] += zip(times, column.to_pylist(), strict=True)
    return found


def values(found: dict[str, list[tuple[int, Any]]], name: str) -> list[Any]:
    return [value for _, value in sorted(found[name], key=lambda each: each[0])]


def test_what_a_pair_shows_is_read_back(tmp_path: Path, by_depth: Registration) -> None:
    lost = Registration.without_matches(Status.FEW_INLIERS, None, {})
    lost = replace(lost, rejected_by=Rejection("min_inliers", 5, 12))
    with recording(tmp_path / "out.rrd") as recorded:
        recorded.add_pair(0, VISIBLE_IMAGE, THERMAL_IMAGE, by_depth)
        recorded.add_pair(1, VISIBLE_IMAGE, THERMAL_IMAGE, lost)
    found = read(tmp_path / "out.rrd")
    for name, size in (
        (f"{VISIBLE}/image", VISIBLE_IMAGE.shape[:2]),
        (f"{THERMAL}/image", THERMAL_IMAGE.shape),
        (OVERLAY, VISIBLE_IMAGE.shape[:2]),
    ):
        blobs = values(found[name], "blob")
        assert [cv2.imdecode(np.array(blob[0], np.uint8), 1).shape[:2] for blob in blobs] == [size, size]
    assert values(found[PROBABILITY], "scalars")[0] == [0.75]
    assert np.isnan(values(found[PROBABILITY], "scalars")[1])
    assert values(found[INLIERS], "scalars") == [[2], [0]]
    texts = values(found[STATUS], "text")
    assert texts[0][0].startswith("OK") and "min_inliers" in texts[1][0]
    assert values(found[STATUS], "level") == [["INFO"], ["WARN"]]
    points, none = values(found[f"{THERMAL}/matches"], "positions")
    np.testing.assert_allclose(points, by_depth.thermal_points + 0.5)
    assert not none


def test_cameras_stand_as_the_rig_knows_them_and_points_lie_in_metres(
    tmp_path: Path, by_depth: Registration
) -> None:
    with recording(tmp_path / "out.rrd") as recorded:
        for number in range(2):
            recorded.add_pair(number, VISIBLE_IMAGE, THERMAL_IMAGE, by_depth)
        recorded.add_pair(2, VISIBLE_IMAGE, THERMAL_IMAGE, replace(by_depth, mapping=None))
    found, rig = read(tmp_path / "out.rrd"), RIG
    (translation,) = values(found[THERMAL], "translation")
    np.testing.assert_allclose(translation[0], rig.T_visible_thermal.translation, atol=1e-6)
    for name, own in ((VISIBLE, rig.visible), (THERMAL, rig.thermal)):
        (matrix,) = values(found[name], "image_from_camera")  # once: the rig stays the same
        np.testing.assert_allclose(np.reshape(matrix[0], (3, 3)).T, own.matrix, rtol=1e-6)
        assert values(found[name], "resolution") == [[list(map(float, own.size[::-1]))]]
    clouds = values(found[POINTS], "positions")
    assert [len(cloud) for cloud in clouds[:2]] == [len(clouds[0])] * 2 and 10_000 < len(clouds[0]) < 40_000
    assert clouds[2] == []
    assert by_depth.mapping is not None
    seen = DEPTH_M[by_depth.mapping.mask][::2]  # the most that fits into 40 000
    np.testing.assert_allclose([point[2] for point in clouds[0]], seen, rtol=1e-5)


def test_cameras_of_a_stream_are_in_metres_once_those_are_known(tmp_path: Path) -> None:
    unit = RigModel(RIG.visible, RIG.thermal, Pose(np.eye(3), np.array([-1.0, 0, 0])), {"scale": "assumed"})
    sizes = PairFormat(ImageFormat(unit.visible.size), ImageFormat(unit.thermal.size))
    frames = Frame(VISIBLE_IMAGE, "bgr8", 1, "rgb"), Frame(THERMAL_IMAGE, "16UC1", 1, "thermal")
    on_plane = Registration.without_matches(Status.TRACKED, unit.at(0.1), {})
    heat = np.zeros(unit.thermal.size, np.uint8)
    plain = Result(*frames, sizes, on_plane, {}, "blend", lambda: heat, 0, lambda found: found)
    with recording(tmp_path / "out.rrd") as recorded:
        recorded.add_result(plain)
        recorded.add_result(replace(plain, geometry=SupportedRig(RIG, True)))
        recorded.add_result(replace(plain, registration=replace(on_plane, status=Status.RIG)))
    found = values(read(tmp_path / "out.rrd")[THERMAL], "translation")
    np.testing.assert_allclose([each[0][0] for each in found], [-1, -0.08], rtol=1e-6)


def record(path: Path, found: Registration) -> None:
    with recording(path) as recorded:
        for number in range(5):
            recorded.add_pair(number, VISIBLE_IMAGE, THERMAL_IMAGE, found)


@contextmanager
def files_end_after(size: int) -> Iterator[None]:
    """A full disk, as far as one file can tell."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_error_and_keeps_the_earlier_file(tmp_path: Path, by_depth: Registration) -> None:
    path = tmp_path / "out.rrd"
    path.write_bytes(b"earlier")
    with pytest.raises(DistillMatchError, match=r"out\.rrd"), files_end_after(200_000):
        record(path, by_depth)
    assert path.read_bytes() == b"earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["out.rrd"]


@pytest.mark.slow  # the whole command
def test_bag_records_its_pairs_at_their_stamps(tmp_path: Path, write_network: WriteNetwork) -> None:
    bag, model = write_bag(tmp_path, "mcap", Drive(pairs=2)), write_network()
    out = tmp_path / "out.mcap", tmp_path / "out.rrd"
    done = run(*("bag", bag, out[0], "--rgb", RGB, "--thermal", HEAT, "--model", model, "--rerun", out[1]))
    assert done.exit_code == 0, done.output
    stamps = [np.datetime64(time, "ns").astype(int) for time, _ in sorted(read(out[1])[STATUS]["text"])]
    assert stamps == [START, START + SECOND // 10]
    again = run("bag", bag, tmp_path / "new.mcap", "--rgb", RGB, "--thermal", HEAT, "--rerun", out[1])
    assert again.exit_code == 2 and "--overwrite" in again.stderr


@pytest.mark.slow  # the whole command
def test_match_records_the_pairs_that_it_could_read(tmp_path: Path, write_network: WriteNetwork) -> None:
    for folder, picture in (("visible", VISIBLE_IMAGE), ("thermal", THERMAL_IMAGE)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), picture)
    (tmp_path / "thermal" / "a.png").write_bytes(b"")
    out = tmp_path / "out.rrd"
    done = run("match", "--pairs", tmp_path, "--model", write_network(), "--rerun", out)
    assert done.exit_code == 1
    assert [time for time, _ in read(out)[OVERLAY]["blob"]] == [1]


def test_several_bags_do_not_fit_into_one_recording(tmp_path: Path) -> None:
    done = run("bag", tmp_path / "a.mcap", tmp_path / "out", "--rerun", tmp_path / "out.rrd")
    assert_wrong_use(done, "OUT.mcap")
