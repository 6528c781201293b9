"""A scene of edges without number, and what a thermal camera whose place is known sees of it."""

import cv2
import numpy as np

VISIBLE, THERMAL = (360, 480), (256, 320)
TRUTH = np.array([[1.1, 0.06, 40.0], [-0.05, 1.05, 30.0], [5e-5, 4e-5, 1.0]])


def blocks(seed: int) -> np.ndarray:
    """Overlapping rectangles of many sizes and directions."""
    generator = np.random.default_rng(seed)
    image = np.full(VISIBLE, 127, np.uint8)
    for size in np.linspace(90, 8, 150).astype(int):
        centre = generator.uniform(0, VISIBLE[1]), generator.uniform(0, VISIBLE[0])
        extent = generator.uniform(size / 2, size, 2)
        box = cv2.boxPoints((centre, tuple(extent), generator.uniform(0, 90)))
        cv2.fillConvexPoly(image, box.astype(np.int32), int(generator.integers(0, 256)))
    return image


def thermal_of(visible: np.ndarray, truth: np.ndarray = TRUTH) -> np.ndarray:
    """Half of the tones negative, blurred, noisy."""
    tones = np.concatenate([np.linspace(200, 20, 128), np.linspace(60, 240, 128)]).astype(np.uint8)
    seen = cv2.warpPerspective(visible, truth, THERMAL[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    soft = cv2.GaussianBlur(tones[seen].astype(np.float32), (0, 0), 1.2)
    return np.clip(soft + np.random.default_rng(0).normal(0, 4, THERMAL), 0, 255).astype(np.uint8)
