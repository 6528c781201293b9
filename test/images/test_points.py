"""Points of PointCloud2: any layout of fields comes out as it went in; what does not fit is named."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.points import decode_points

POINTS = np.ones((4, 3), np.float32)


def cloud(
    points: np.ndarray, rows: int = 1, before: int = 0, after: int = 0, pad: int = 0, big: bool = False
) -> Any:
    """A cloud with other bytes before and after the coordinates of a point, and after each row."""
    number = points.dtype.newbyteorder(">" if big else "<")
    width = len(points) // rows
    step = before + 3 * number.itemsize + after
    data = np.full((rows, width * step + pad), 7, np.uint8)
    inner = data[:, : width * step].reshape(rows, width, step)
    bytes_of = points.astype(number).view(np.uint8).reshape(rows, width, 3 * number.itemsize)
    inner[..., before : before + bytes_of.shape[-1]] = bytes_of
    data[:, : width * step] = inner.reshape(rows, -1)
    kind = {4: 7, 8: 8}[number.itemsize]
    fields = [SimpleNamespace(name="ring", offset=0, datatype=2, count=1)] + [
        SimpleNamespace(name=name, offset=before + index * number.itemsize, datatype=kind, count=1)
        for index, name in enumerate("xyz")
    ]
    return SimpleNamespace(
        fields=fields,
        width=width,
        height=rows,
        point_step=step,
        row_step=data.shape[1],
        is_bigendian=big,
        data=data.ravel(),
    )


@given(st.sampled_from(["f4", "f8"]), st.sampled_from([1, 2, 3]), *[st.integers(0, 9)] * 3, st.booleans())
def test_any_layout_gives_the_points(
    kind: str, rows: int, before: int, after: int, pad: int, big: bool
) -> None:
    points = np.random.default_rng(0).normal(0, 10, (6, 3)).astype(kind)
    points[2] = np.nan
    found = decode_points(cloud(points, rows, before, after, pad, big))
    assert found.dtype == np.dtype(kind)
    np.testing.assert_array_equal(found, points)


def test_a_single_row_needs_no_step() -> None:
    message = cloud(POINTS)
    message.row_step = 0
    np.testing.assert_array_equal(decode_points(message), POINTS)


def test_a_cloud_may_be_empty() -> None:
    assert decode_points(cloud(np.zeros((0, 3), np.float32))).shape == (0, 3)


WRONG = {
    "fields": {"fields": [SimpleNamespace(name="x", offset=0, datatype=7, count=1)]},
    "whole numbers": {
        "fields": [SimpleNamespace(name=each, offset=0, datatype=6, count=1) for each in "xyz"]
    },
    "too little data": {"width": 5},
    "overlapping": {"point_step": 8},
    "short rows": {"row_step": 3, "height": 2, "width": 2},
    "no data": {"data": b""},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_cloud_is_named(what: str) -> None:
    message = cloud(POINTS)
    vars(message).update(WRONG[what])
    with pytest.raises(DistillMatchError, match=r"^points: "):
        decode_points(message)


def test_a_huge_cloud_is_rejected_by_its_header() -> None:
    with pytest.raises(DistillMatchError, match="max_pixels"):
        decode_points(cloud(POINTS), max_points=3)
