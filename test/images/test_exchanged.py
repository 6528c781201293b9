"""Exchanged images are told by their names or colours, and nothing is said of pairs that are in order."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from distillmatch_ros.images.exchanged import exchanged_by_colour, exchanged_by_name


def blocks(channels: int, seed: int = 0) -> NDArray[np.uint8]:
    values = np.random.default_rng(seed).integers(20, 236, (24, 30, channels)).astype(np.uint8)
    return cv2.resize(values, (640, 512), interpolation=cv2.INTER_LINEAR)


HEAT = blocks(1)
STREET = np.where(blocks(1, 1)[..., None] < 128, blocks(3, 2), blocks(1, 3)[..., None])
"""As photographs are: grey here, coloured there, at any brightness."""
PALETTES = sorted(name for name in dir(cv2) if name.startswith("COLORMAP_"))


def compressed(image: NDArray[Any]) -> NDArray[Any]:
    return cv2.imdecode(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 60))[1], cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("heat", [HEAT, HEAT.astype(np.uint16) * 20 + 21000, np.dstack([HEAT] * 3)])
def test_a_coloured_thermal_image_beside_a_grey_visible_one_is_told(heat: NDArray[Any]) -> None:
    for street in (STREET, compressed(STREET), np.dstack([STREET, HEAT])):
        assert exchanged_by_colour(heat, street) is not None
        assert exchanged_by_colour(street, heat) is None


@pytest.mark.parametrize("palette", PALETTES)
def test_a_palette_is_no_natural_colour(palette: str) -> None:
    shown = cv2.applyColorMap(HEAT, getattr(cv2, palette))
    cv2.putText(shown, "12.3 C", (10, 40), 0, 1, (255, 255, 255), 2, cv2.LINE_AA)
    for thermal in (shown, compressed(shown)):
        assert exchanged_by_colour(HEAT, thermal) is None


def test_two_grey_or_two_coloured_cameras_are_in_order() -> None:
    assert exchanged_by_colour(HEAT, HEAT) is None
    assert exchanged_by_colour(STREET, STREET) is None
    assert exchanged_by_colour(HEAT[..., None], np.zeros((4, 5, 3), np.float32)) is None


@pytest.mark.parametrize(
    ("visible", "thermal", "told"),
    [
        ("/thermal/image_raw", "/rgb/image_raw", True),
        ("lwir/0001.png", "visible/0001.png", True),
        ("ir.png", "vis.png", True),
        ("day/0001_ir.jpg", "day/0001-vis.jpg", True),
        ("/rgb/image_raw", "/thermal/image_raw", False),
        ("/flir_camera/image_raw", "/boson/image_raw", False),
        ("/flir_camera/image_raw", "/cam1/image_raw", False),
        ("/cam0/image_raw", "/cam1/image_raw", False),
        ("thermal_rig/rgb/1.png", "thermal_rig/ir/1.png", False),
    ],
)
def test_names_tell_where_both_say_so(visible: str, thermal: str, told: bool) -> None:
    assert (exchanged_by_name(visible, thermal) is not None) == told
