"""Pictures to train on."""

import cv2
import numpy as np


def picture(seed: int, rows: int = 96, columns: int = 128) -> np.ndarray:
    """Overlapping rectangles in random colours: corners everywhere, and nothing repeats."""
    rng = np.random.default_rng(seed)
    image = np.full((rows, columns, 3), 127, np.uint8)
    for _ in range(40):
        x, y = rng.integers(0, columns), rng.integers(0, rows)
        width, height = rng.integers(6, 30, 2)
        colour = rng.integers(0, 256, 3).tolist()
        cv2.rectangle(image, (int(x), int(y)), (int(x + width), int(y + height)), colour, -1)
    return image
