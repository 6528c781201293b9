"""An engine that answers what a test tells it to, and pairs of images whose homography is known."""

from collections.abc import Callable

import cv2
import numpy as np

from distillmatch_ros import Registration
from distillmatch_ros.engines.protocol import EngineInfo, Float32, RawMatches
from distillmatch_ros.geometry.homography import corners, resize_matrix, transform

NETWORK = (128, 160)
THERMAL, VISIBLE = (256, 320), (540, 960)
TRUTH = np.array([[2.1, 0.1, 120.0], [-0.05, 1.8, 30.0], [1e-4, 5e-5, 1.0]])
NUDGE = np.array([[1.0, 0.005, 5.0], [-0.005, 1.0, -4.0], [0, 0, 1.0]])
ALIGNED_PX = 1.0

Answer = Callable[[Float32, Float32], RawMatches]


class ScriptedEngine:
    """Gives its answers in turn, the last one for ever, and keeps what it was shown."""

    def __init__(self, *answers: Answer, network: tuple[int, int] = NETWORK) -> None:
        self.info = EngineInfo(*network, 300, "scripted", "fp32", "", "script")
        self.answers = list(answers)
        self.shown: list[tuple[Float32, Float32]] = []
        self.closed = False

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        self.shown.append((visible, thermal))
        answer = self.answers[min(len(self.shown), len(self.answers)) - 1]
        return answer(visible, thermal)

    def close(self) -> None:
        self.closed = True


def points_of(
    network_homography: np.ndarray, count: int = 200, wrong: int = 0, empty: int = 0, seed: int = 0
) -> Answer:
    """Matches that obey a homography of network pixels, but the first `wrong` and the last, empty ones."""

    def answer(_visible: Float32, _thermal: Float32) -> RawMatches:
        generator = np.random.default_rng(seed)
        thermal_points = generator.uniform(4, np.array(NETWORK[::-1]) - 5, (count, 2))
        visible_points = transform(network_homography, thermal_points)
        visible_points[:wrong] = generator.uniform(4, np.array(NETWORK[::-1]) - 5, (wrong, 2))
        confidence = generator.uniform(0.2, 1, count)
        confidence[count - empty :] = 0
        visible_points[count - empty :] = 50
        return RawMatches(
            *(array.astype(np.float32) for array in (visible_points, thermal_points, confidence))
        )

    return answer


def plain(homography: np.ndarray) -> np.ndarray:
    """A camera homography in network pixels of images that are only resized."""
    return resize_matrix(VISIBLE, NETWORK) @ homography @ resize_matrix(NETWORK, THERMAL)


def aligned(homography: np.ndarray, by: np.ndarray) -> np.ndarray:
    """A camera homography in network pixels once `by` has warped the visible image into the thermal frame."""
    to_thermal = resize_matrix(NETWORK, THERMAL)
    return np.linalg.inv(by @ to_thermal) @ homography @ to_thermal


def noise_pair(
    visible: tuple[int, ...] = VISIBLE, thermal: tuple[int, ...] = THERMAL
) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(1)
    return tuple(generator.integers(0, 256, size, np.uint8) for size in (visible, thermal))


def scene_pair(truth: np.ndarray = TRUTH) -> tuple[np.ndarray, np.ndarray]:
    """Structure at every scale, and what a thermal camera placed by ``truth`` sees of it, as a negative."""
    generator = np.random.default_rng(2)
    scene = sum(
        cv2.resize(generator.normal(0, size, (VISIBLE[0] // size, VISIBLE[1] // size)), VISIBLE[::-1])
        for size in (6, 12, 24)
    )
    visible = np.clip(scene * 4 + 127, 0, 255).astype(np.uint8)
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    return visible, 255 - cv2.warpPerspective(visible, truth, THERMAL[::-1], flags=flags)


def corner_error(registration: Registration, truth: np.ndarray, thermal: tuple[int, int] = THERMAL) -> float:
    assert registration.homography is not None, registration.status
    gaps = transform(registration.homography, corners(thermal)) - transform(truth, corners(thermal))
    return float(np.hypot(*gaps.T).max())
