"""What a rig with a depth camera sees in the benchmark of the node."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import resize_matrix
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.scene import Scene, SyntheticPair

SIZE = (512, 640)
"""Rows and columns of all cameras' images."""

_FARTHEST_M = 65.0  # that 16 bits of millimetres tell


@dataclass(frozen=True, eq=False)
class NearView:
    """What two cameras 8 cm apart see of a street, with its depth.

    Attributes:
        visible: uint8 (512, 640, 3), BGR.
        thermal: uint16 (512, 640), hundredths of a kelvin.
        depth: uint16 (512, 640), millimetres, of the visible pixels; 0 for the sky.
        rig: the cameras.
    """

    visible: NDArray[np.uint8]
    thermal: NDArray[np.uint16]
    depth: NDArray[np.uint16]
    rig: LearnedRig

    @classmethod
    def render(cls) -> "NearView":
        """The same one each time."""
        return cls.of(Scene(1, baseline=0.08, k1=-0.2).render())

    @classmethod
    def of(cls, pair: SyntheticPair) -> "NearView":
        """What the cameras of the benchmark see of a scene."""
        seen = true_rig(pair)
        to_size = resize_matrix(seen.visible.size, SIZE)
        visible = Camera(SIZE, to_size @ seen.visible.matrix, seen.visible.distortion)
        metres = cv2.resize(pair.visible_depth, SIZE[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        image = cv2.resize(pair.visible, SIZE[::-1], interpolation=cv2.INTER_AREA)
        return cls(
            np.asarray(image, np.uint8),
            pair.thermal,
            np.where(metres < _FARTHEST_M, 1000 * metres, 0).astype(np.uint16),
            LearnedRig(replace(seen, visible=visible), DEPTHS, shifted=False),
        )
