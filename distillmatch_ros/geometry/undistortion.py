"""Undistortion of images by the calibration that a camera publishes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import EQUIDISTANT, Camera
from distillmatch_ros.geometry.warping import keeping_values
from distillmatch_ros.images.frames import Frame


class Undistorter:
    """Removes lens distortion from the images of one camera. The camera matrix K is kept, D becomes 0."""

    def __init__(self, camera: Camera) -> None:
        """Prepare the maps for the camera's images."""
        self.camera = camera
        self.straightened = Camera(camera.size, camera.matrix)
        """The camera of the undistorted images."""
        self._maps: Any = None
        if not camera.is_pinhole:
            lens = cv2.fisheye if camera.model == EQUIDISTANT else cv2
            prepare: Callable[..., Any] = lens.initUndistortRectifyMap
            matrix, size = camera.matrix, camera.size[::-1]
            self._maps = prepare(matrix, camera.distortion, np.eye(3), matrix, size, cv2.CV_32FC1)

    def __call__(self, frame: Frame) -> Frame:
        """Undistort a frame.

        As in `warp_thermal`, 8-bit images are interpolated; wider values are readings and take their nearest
        neighbour.

        Returns:
            A frame of the same size, dtype and header; `no_reading` outside the camera's view.

        Raises:
            DistillMatchError: the frame's size differs from that of the camera.
        """
        size = frame.image.shape[:2]
        if size != self.camera.size:
            raise DistillMatchError(
                f"{frame.frame_id or 'image'}: {size[1]}x{size[0]} pixels, but its camera_info describes "
                f"{self.camera.size[1]}x{self.camera.size[0]}; calibrate at the resolution in use"
            )
        if self._maps is None:
            return frame
        if frame.image.dtype == np.uint8:
            return replace(frame, image=self._moved(frame.image, cv2.INTER_LINEAR, 0))
        move = partial(self._moved, interpolation=cv2.INTER_NEAREST)
        return replace(frame, image=keeping_values(move, frame.image))

    def _moved(self, image: NDArray[Any], interpolation: int, outside: float) -> NDArray[Any]:
        return np.asarray(
            cv2.remap(image, self._maps[0], self._maps[1], interpolation, borderValue=[outside] * 4)
        )
