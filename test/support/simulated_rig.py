"""Simulated drives: a rig with known geometry, and noisy matches of frames with known planes."""

from dataclasses import dataclass

import cv2
import numpy as np

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.model import RigModel

THERMAL, VISIBLE = (512, 640), (540, 960)


def camera(size: tuple[int, int], focal: float, *distortion: float) -> Camera:
    height, width = size
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(size, matrix, np.array(distortion))


RIG = RigModel(
    visible=camera(VISIBLE, 800.0, -0.15, 0.03),
    thermal=camera(THERMAL, 700.0, -0.2, 0.05),
    T_visible_thermal=Pose.from_vectors(np.array([0.02, -0.03, 0.015]), np.array([0.98, 0.2, 0.0])),
)


def shapes(seed: int) -> np.ndarray:
    """What a visible camera might see: grey rectangles one on another."""
    rng, image = np.random.default_rng(seed), np.zeros(VISIBLE, np.uint8)
    for _ in range(120):
        corner = rng.integers((0, 0), VISIBLE[::-1])
        cv2.rectangle(image, corner, corner + rng.integers(20, 150, 2), int(rng.integers(0, 255)), -1)
    return image


@dataclass(frozen=True)
class Drive:
    matches: list[FrameMatches]
    planes: np.ndarray


def drive(frames: int, noise_px: float = 2.0, wrong: float = 0.1, seed: int = 0, count: int = 256) -> Drive:
    """Matches of frames that each see one plane, at inverse depths of up to 0.08 baselines."""
    rng = np.random.default_rng(seed)
    planes = np.column_stack([np.zeros((frames, 2)), rng.uniform(0, 0.08, frames)])
    matches = []
    for plane in planes:
        thermal = rng.uniform((0, 0), THERMAL[::-1], (count, 2))
        visible = RIG.on_plane(plane).to_visible(thermal) + rng.normal(0, noise_px, (count, 2))
        lost = rng.random(count) < wrong
        visible[lost] = rng.uniform((0, 0), VISIBLE[::-1], (lost.sum(), 2))
        matches.append(FrameMatches(thermal, visible))
    return Drive(matches, planes)


def grid() -> np.ndarray:
    columns, rows = np.meshgrid(np.linspace(0, THERMAL[1] - 1, 9), np.linspace(0, THERMAL[0] - 1, 7))
    return np.column_stack([columns.ravel(), rows.ravel()])
