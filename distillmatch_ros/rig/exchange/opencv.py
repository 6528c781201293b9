"""Stereo calibrations that programs write by OpenCV's FileStorage, YAML, XML or JSON.

OpenCV's samples name matrices M1 D1 M2 D2 R T, others K1, cameraMatrix1 or the like. R and T take points of
the first camera's frame to the second's. T is in the unit of the board's squares, which no file tells.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros.geometry.camera import PLUMB_BOB, RATIONAL, Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.exchange.known import Known, Sizes, numbers, rotation_of

_MATRIX = ("M{}", "K{}", "cameraMatrix{}", "camera_matrix_{}", "camera_matrix{}", "cam{}_K")
_DISTORTION = ("D{}", "distCoeffs{}", "dist_coeffs_{}", "distortion_coefficients_{}", "dist{}", "cam{}_D")


def holds(text: str) -> bool:
    """Whether a file is one that may be read: FileStorage marks its matrices."""
    return "opencv-matrix" in text


def read(path: Path, sizes: Sizes) -> Known:
    """Cameras and pose of a file; raises KeyError or ValueError if it is invalid."""
    with _opened(path) as storage:
        matrices = [_matrix(storage, _MATRIX, number) for number in (1, 2)]
        distortions = [_matrix(storage, _DISTORTION, number) for number in (1, 2)]
        turn, shift = (_named(storage, name) for name in ("R", "T"))
        size = _size(storage)
    if matrices[0] is None or matrices[1] is None or turn is None or shift is None:
        raise ValueError("it lacks one of M1, M2, R and T")
    cameras = [
        _camera(numbers(matrix, "M", 3, 3), distortion, of)
        for matrix, distortion, of in zip(matrices, distortions, _sizes(size, matrices, sizes), strict=True)
    ]
    pose = Pose(rotation_of(turn, "R"), numbers(shift, "T", 3))
    return sizes.stereo((cameras[0], cameras[1]), ("", ""), pose, metric=False)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.FileStorage]:
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        yield storage
        storage.release()
    except cv2.error as error:
        raise ValueError("OpenCV cannot parse it") from error


def _sizes(told: Size | None, matrices: Sequence[Float64 | None], sizes: Sizes) -> tuple[Size, Size]:
    """Sizes of both cameras' images. A file tells one at most; principal points lie in the middle."""
    if told is not None:
        return told, told

    def gap(matrix: Float64 | None, size: Size) -> float:
        return 0.0 if matrix is None else float(np.abs(2 * matrix[:2, 2] - size[::-1]).sum())

    orders = (sizes.visible, sizes.thermal), (sizes.thermal, sizes.visible)
    return min(orders, key=lambda order: sum(map(gap, matrices, order)))


def _camera(matrix: Float64, distortion: Float64 | None, size: Size) -> Camera:
    coefficients = np.zeros(4) if distortion is None else distortion.ravel()
    return Camera(size, matrix, coefficients, PLUMB_BOB if len(coefficients) <= 5 else RATIONAL)


def _matrix(storage: cv2.FileStorage, names: tuple[str, ...], number: int) -> Float64 | None:
    return next(
        (found for name in names if (found := _named(storage, name.format(number))) is not None), None
    )


def _named(storage: cv2.FileStorage, name: str) -> Float64 | None:
    node = storage.getNode(name)
    found = None if node.empty() else node.mat()
    return None if found is None else np.asarray(found, np.float64)


def _size(storage: cv2.FileStorage) -> Size | None:
    width, height = storage.getNode("image_width"), storage.getNode("image_height")
    if not (width.empty() or height.empty()):
        return int(height.real()), int(width.real())
    for name in ("imageSize", "image_size", "size"):
        node = storage.getNode(name)
        if node.isSeq() and node.size() == 2:
            return int(node.at(1).real()), int(node.at(0).real())
    return None
