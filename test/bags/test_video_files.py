"""Video files as recordings: whole or cut off, of grey or colour, turned, of one or two streams."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import images

from distillmatch_ros.bags.inspection import inspect_paths
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.storage.series import recordings
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.plan import plan

SIZE = (48, 64)
COUNT = 5
FRAMES = [np.full((*SIZE, 3), 40 * number, np.uint8) for number in range(COUNT)]
GREY = [np.full(SIZE, 1000 + number, np.uint16) for number in range(COUNT)]


def write_video(path: Path, streams: Sequence[tuple[str, str]]) -> Path:
    """A file with streams, each a codec and a format of its pixels; grey ones tell their number."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        made = []
        for codec, pixels in streams:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], pixels
            made.append(stream)
        for number in range(COUNT):
            for stream in made:
                grey = stream.pix_fmt.startswith("gray")
                image, format_ = (GREY[number], "gray16le") if grey else (FRAMES[number], "bgr24")
                frame = av.VideoFrame.from_ndarray(image, format=format_).reformat(format=stream.pix_fmt)
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in made:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".data"])
def test_video_of_16_bits_keeps_its_values(suffix: str, tmp_path: Path) -> None:
    made = write_video(tmp_path / f"thermal{'.mkv' if suffix == '.data' else suffix}", [("ffv1", "gray16le")])
    path = made.rename(made.with_suffix(suffix))
    found = list(images(path, "/thermal"))
    assert [stamp for stamp, _ in found] == [number * SECOND // 10 for number in range(COUNT)]
    np.testing.assert_array_equal([image for _, image in found], GREY)


@pytest.mark.parametrize(
    ("codec", "pixels", "dtype"),
    [
        ("png", "gray16be", "u2"),
        ("ffv1", "gray10le", "u2"),
        ("ffv1", "gray", "u1"),
        ("ffv1", "gray12le", "u2"),
    ],
)
def test_grey_video_stays_grey(codec: str, pixels: str, dtype: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"thermal.{'mov' if codec == 'png' else 'mkv'}", [(codec, pixels)])
    found = [image for _, image in images(path, "/thermal")]
    assert len(found) == COUNT and all(image.shape == SIZE and image.dtype == dtype for image in found)
    if codec == "png":
        np.testing.assert_array_equal(found, GREY)


def test_video_that_is_turned_for_display_is_turned(tmp_path: Path) -> None:
    path = write_video(tmp_path / "rgb.mp4", [("libx264", "yuv420p")])
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44  # of the matrix: 16.16, 16.16, 2.30 in each row
    quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[0] << 16, 0, 1 << 30]
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    path.write_bytes(data)
    expected = cv2.VideoCapture(str(path)).read()[1]
    _, found = next(images(path, "/rgb"))
    assert found.shape == expected.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(found.astype(int) - expected).max() < 3


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_video_cut_off_is_a_loss(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"rgb{suffix}", [("ffv1", "gray16le")])
    with Bag(path) as bag:
        assert not bag.losses
    data = path.read_bytes()
    index = {".avi": b"idx1", ".mkv": bytes.fromhex("1c53bb6b")}[suffix]  # it stands behind the frames
    path.write_bytes(data[: data.rindex(index) - 150])
    with Bag(path) as bag:
        assert bag.losses
        assert 0 < sum(1 for _ in bag.messages(("/rgb",))) <= bag.topics["/rgb"].count < COUNT


def test_video_without_its_index_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "rgb.mp4", [("libx264", "yuv420p")])
    path.write_bytes(path.read_bytes().partition(b"moov")[0])
    with pytest.raises(DistillMatchError, match="cut off"):
        Bag(path)


def test_two_video_files_or_two_streams_are_a_drive(tmp_path: Path) -> None:
    rgb = write_video(tmp_path / "rgb.mp4", [("libx264", "yuv420p")])
    thermal = write_video(tmp_path / "thermal.mkv", [("ffv1", "gray16le")])
    (unit,) = plan([str(rgb), str(thermal)], "out")
    assert unit.sources == (str(rgb), str(thermal)) and unit.target == "out/rgb+thermal.mcap"
    assert recordings(tmp_path) == [(rgb,), (thermal,)]
    both = write_video(tmp_path / "both.mkv", [("libx264", "yuv420p"), ("ffv1", "gray16le")])
    for paths in ([rgb, thermal], [both]):
        (found,) = inspect_paths(paths)
        assert found.kind == "bag" and found.pairs == COUNT and found.command is not None
    with Bag(both) as bag:
        received = [each.received for each in bag.messages(("/both/0", "/both/1"))]
        assert received == sorted(received) and len(received) == 2 * COUNT


def test_video_of_frames_too_large_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "rgb.mp4", [("libx264", "yuv420p")])
    monkeypatch.setattr("distillmatch_ros.images.sizes.MAX_SIDE", SIZE[1] - 1)
    with pytest.raises(DistillMatchError, match=r"rgb\.mp4: 64 x 48 is beyond"):
        Bag(path)


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "rgb.mp4", [("libx264", "yuv420p")])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DistillMatchError, match=r"pip install 'distillmatch_ros\[video\]'"):
        Bag(path)
