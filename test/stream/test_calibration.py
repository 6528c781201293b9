from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.stream.calibration import (
    CELL_MATCHES,
    GRID,
    Accumulator,
    Calibration,
    ImageFormat,
    PairFormat,
)

THERMAL, VISIBLE = (256, 320), (540, 960)
FORMATS = PairFormat(visible=ImageFormat(VISIBLE, undistorted=True), thermal=ImageFormat(THERMAL))
TRUTH = np.array([[2.1, 0.1, 120.0], [-0.05, 1.8, 30.0], [1e-4, 5e-5, 1.0]])


def registration(
    seed: int, count: int = 60, noise: float = 1.0, wrong: int = 0, status: Status = Status.OK
) -> Registration:
    """Matches of a pair, of which the first `wrong` ones are no inliers."""
    random = np.random.default_rng(seed)
    thermal = random.uniform(0, np.array(THERMAL[::-1]) - 1, (count, 2))
    visible = transform(TRUTH, thermal) + random.normal(0, noise, (count, 2))
    visible[:wrong] = random.uniform(0, 500, (wrong, 2))
    return Registration(
        visible.astype(np.float32),
        thermal.astype(np.float32),
        np.full(count, 0.9, np.float32),
        np.arange(count) >= wrong,
        HomographyMapping(TRUTH, THERMAL, VISIBLE) if status is Status.OK else None,
        status,
        {},
    )


def drive(pairs: int = 50, **matches: float) -> Calibration:
    accumulator = Accumulator(FORMATS)
    for seed in range(pairs):
        accumulator.add(registration(seed, **matches), 7 * SECOND + seed * SECOND // 10)  # type: ignore[arg-type]
    return accumulator.fit()


def corner_error(homography: np.ndarray) -> float:
    gaps = transform(homography, corners(THERMAL)) - transform(TRUTH, corners(THERMAL))
    return float(np.hypot(*gaps.T).max())


def test_a_drive_is_more_exact_than_any_of_its_pairs() -> None:
    found = drive(noise=3.0, wrong=20)
    assert corner_error(found.homography) < 1.0
    assert (found.formats, found.pairs, found.seconds, found.stamp) == (
        FORMATS,
        50,
        4.9,
        round(11.9 * SECOND),
    )
    assert 1.5 < found.rms_px < 4  # 3 px a coordinate of a 960 px wide image


def test_memory_is_bounded_and_the_whole_drive_counts() -> None:
    """The rig was bent at half time: a sample of the whole has as much of both."""
    accumulator = Accumulator(FORMATS)
    size = accumulator._matches.nbytes
    for seed in range(600):
        pair = registration(seed, count=200, noise=0.0)
        shift = 0.0 if seed < 300 else 1.0
        accumulator.add(replace(pair, visible_points=pair.visible_points + np.float32(shift)), seed)
    assert accumulator._matches.nbytes == size == GRID[0] * GRID[1] * CELL_MATCHES * 16
    found = accumulator.fit()
    gaps = transform(found.homography, corners(THERMAL)) - transform(TRUTH, corners(THERMAL))
    np.testing.assert_allclose(gaps, 0.5, atol=0.1)


def test_the_same_drive_gives_the_same_calibration() -> None:
    np.testing.assert_array_equal(drive().homography, drive().homography)


def test_pairs_that_are_not_ok_do_not_count() -> None:
    accumulator = Accumulator(FORMATS)
    for seed in range(40):
        accumulator.add(registration(seed, status=Status.HELD), seed)
    with pytest.raises(DistillMatchError, match="0 pairs were registered and 10 are needed"):
        accumulator.fit()


def test_matches_that_agree_on_nothing_are_rejected() -> None:
    accumulator = Accumulator(FORMATS)
    random = np.random.default_rng(0)
    for seed in range(20):
        pair = registration(seed)
        accumulator.add(
            replace(pair, visible_points=random.uniform(0, 500, (60, 2)).astype(np.float32)), seed
        )
    with pytest.raises(DistillMatchError, match=r"do not agree on one homography \(min_inliers"):
        accumulator.fit()


def test_file_holds_it_exactly(tmp_path: Path) -> None:
    before, path = drive(), tmp_path / "new" / "rig.yaml"
    before.save(path)
    after = Calibration.load(path)
    np.testing.assert_array_equal(after.homography, before.homography)
    for name in ("formats", "pairs", "seconds", "stamp", "rms_px"):
        assert getattr(after, name) == getattr(before, name)
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DistillMatchError, match="cannot be written"):
        drive().save(tmp_path / "file" / "rig.yaml")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("homography:", "matrix:", "'homography' is missing"),
        ("height: 540", "height: 0", "no pixels"),
        ("pairs: 50", "pairs: many", "invalid literal"),
        ("rms_px: ", "rms: ", "'rms_px' is missing"),
        ("thermal: {", "thermal: 5 #{", "5 is not a mapping"),
        ("- [", "- [.nan, ", "inhomogeneous"),
        ("1.0]", ".inf]", "not plausible for two cameras"),
        ("- [", "- [99", "not plausible for two cameras"),
        ("# ", "{", "not YAML"),
        ("# ", "just words\n# ", "not YAML"),
    ],
)
def test_damaged_files_are_rejected_with_the_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = tmp_path / "rig.yaml"
    drive().save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DistillMatchError, match=reason) as error:
        Calibration.load(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"- 1\n- 2\n", b"homography: 3"])
def test_files_of_something_else_are_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rig.yaml"
    path.write_bytes(content)
    with pytest.raises(DistillMatchError, match="distillmatch calibrate"):
        Calibration.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match=r"rig.yaml: cannot be read \(No such file"):
        Calibration.load(tmp_path / "rig.yaml")


def test_other_images_are_rejected() -> None:
    calibration = drive()
    calibration.check(FORMATS)
    with pytest.raises(DistillMatchError, match="thermal images of 320x256, but these are 640x512"):
        calibration.check(replace(FORMATS, thermal=ImageFormat((512, 640))))
    with pytest.raises(DistillMatchError, match="960x540, undistorted, but these are 960x540"):
        calibration.check(replace(FORMATS, visible=ImageFormat(VISIBLE)))
