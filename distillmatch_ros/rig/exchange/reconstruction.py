"""A camera as tools of reconstruction read it: COLMAP, and those of radiance fields and Gaussian splats.

Their pixel centres lie at halves (the first one at 0.5, 0.5), so a principal point moves by half a pixel.
"""

from collections.abc import Sequence
from typing import Any

from distillmatch_ros.geometry.camera import EQUIDISTANT, Camera

_CENTRE = 0.5  # px, of the first pixel
_OF_CAMERA = 4  # focal lengths and principal point come first
_OPENCV = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # as OpenCV orders them
_FISHEYE = ("k1", "k2", "k3", "k4")


def nerf_camera(camera: Camera) -> dict[str, Any]:
    """The fields of a camera in a ``transforms.json``, as Instant-NGP and Nerfstudio read it."""
    names = ("fl_x", "fl_y", "cx", "cy")
    lens = _lens(camera)
    return {
        "camera_model": "OPENCV_FISHEYE" if camera.model == EQUIDISTANT else "OPENCV",
        "w": camera.size[1],
        "h": camera.size[0],
        **dict(zip(names, _pinhole(camera), strict=True)),
        **lens,
    }


def colmap_cameras(camera: Camera) -> str:
    """A ``cameras.txt`` of COLMAP with this one camera; its prism and tilt are not said, COLMAP has none."""
    lens = _lens(camera)
    if camera.model == EQUIDISTANT:
        model, used = "OPENCV_FISHEYE", [lens[name] for name in _FISHEYE]
    elif not any(lens.values()):
        model, used = "PINHOLE", []
    elif any(lens[name] for name in _OPENCV[_OF_CAMERA:]):
        model, used = "FULL_OPENCV", [lens[name] for name in _OPENCV]
    else:
        model, used = "OPENCV", [lens[name] for name in _OPENCV[:_OF_CAMERA]]
    numbers: Sequence[float] = (*_pinhole(camera), *used)
    height, width = camera.size
    return (
        "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n"
        f"1 {model} {width} {height} {' '.join(f'{number:.12g}' for number in numbers)}\n"
    )


def _pinhole(camera: Camera) -> tuple[float, ...]:
    matrix = camera.matrix
    return (
        float(matrix[0, 0]),
        float(matrix[1, 1]),
        float(matrix[0, 2]) + _CENTRE,
        float(matrix[1, 2]) + _CENTRE,
    )


def _lens(camera: Camera) -> dict[str, float]:
    names = _FISHEYE if camera.model == EQUIDISTANT else _OPENCV
    given = dict(zip(names, camera.distortion.tolist(), strict=False))
    return {name: float(given.get(name, 0.0)) for name in names}
