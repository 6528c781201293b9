from dataclasses import FrozenInstanceError
from pathlib import Path

import cv2
import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.frames import Frame, to_grey

SHAPE = (6, 8)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("grey8.png", SHAPE, np.uint8),
        ("grey16.png", SHAPE, np.uint16),
        ("colour.png", (*SHAPE, 3), np.uint8),
        ("alpha.png", (*SHAPE, 4), np.uint8),
        ("colour16.png", (*SHAPE, 3), np.uint16),
        ("kelvin.tiff", SHAPE, np.float32),
    ],
)
def test_image_is_read_as_it_is_stored(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: type
) -> None:
    stored = (np.random.default_rng(0).random(shape) * 250).astype(dtype)
    cv2.imwrite(str(tmp_path / name), stored)
    image = read_image(tmp_path / name)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, stored)


def test_unreadable_files_are_named_with_reason_and_remedy(tmp_path: Path) -> None:
    png = cv2.imencode(".png", np.eye(64, dtype=np.uint8))[1].tobytes()
    files = {
        "absent.png": (None, "No such file"),
        "empty.png": (b"", "empty"),
        "text.png": (b"hello", "not an image"),
        "cut.png": (png[:40], "damaged"),
        "cut.tiff": (cv2.imencode(".tiff", np.ones(SHAPE, np.int16))[1].tobytes()[:40], "damaged"),
        "objects.npy": (
            b"\x93NUMPY\1\0\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (9,9)}\n",
            "no array",
        ),
    }
    for name, (content, reason) in files.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DistillMatchError) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)
    with pytest.raises(DistillMatchError, match="directory"):
        read_image(tmp_path)
    with pytest.raises(DistillMatchError, match=r"cannot be read \(embedded null byte\)"):
        read_image(tmp_path / "a\0.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_keeps_dtype_and_drops_alpha(dtype: type) -> None:
    colour = (np.random.default_rng(1).random((*SHAPE, 3)) * 200).astype(dtype)
    alpha = np.full((*SHAPE, 1), 77, dtype)
    grey = to_grey(colour)
    assert grey.shape == SHAPE
    assert grey.dtype == dtype
    np.testing.assert_allclose(grey, colour @ np.array([0.114, 0.587, 0.299]), atol=0.51)
    np.testing.assert_array_equal(to_grey(np.concatenate([colour, alpha], axis=2)), grey)


def test_one_channel_passes_unchanged() -> None:
    grey = np.arange(48, dtype=np.uint16).reshape(SHAPE)
    assert to_grey(grey) is grey
    np.testing.assert_array_equal(to_grey(grey[:, :, None]), grey)
    assert to_grey(grey.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "NoneType"),
        ([[1, 2]], "list"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((2, 3, 4, 3), np.uint8), "is not an image"),
        (np.zeros((4, 4, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.int64), "int64 is not supported; convert it"),
        (np.zeros((4, 4), ">u2"), "byte order"),
        (np.zeros((4, 4), np.complex64), "complex64"),
        (np.zeros((4, 4), object), "object"),
    ],
)
def test_what_is_not_an_image_is_rejected(image: np.ndarray, reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason) as caught:
        to_grey(image, "visible image")
    assert str(caught.value).startswith("visible image: ")


def test_frame_stays_as_it_came() -> None:
    frame = Frame(np.zeros(SHAPE, np.uint16), "16UC1", 5, "thermal")
    with pytest.raises(FrozenInstanceError):
        frame.stamp = 6  # type: ignore[misc]
    assert frame != Frame(frame.image, "16UC1", 5, "thermal")  # arrays have no single truth to compare by
    assert len({frame, frame}) == 1
