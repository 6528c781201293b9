"""Carry detections of one camera into the other's image: detections.py VISIBLE THERMAL OUT.png."""

import sys
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros import Registrar
from distillmatch_ros.images.files import read_image
from distillmatch_ros.visualisation.overlay import draw_overlay


def detect(thermal: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Boxes (left, top, right, bottom) of what is hot; put the detector for thermal images here."""
    hot = (thermal > np.percentile(thermal, 98)).astype(np.uint8)
    found = cv2.connectedComponentsWithStats(hot)[2][1:]  # the first one is the background
    return [(x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5) for x, y, w, h, area in found if area >= 50]


def main(visible_file: str, thermal_file: str, picture: str) -> None:
    visible, thermal = read_image(Path(visible_file)), read_image(Path(thermal_file))
    with Registrar.open() as registrar:
        registration = registrar.register(visible, thermal)
    if registration.mapping is None:
        sys.exit(f"rejected: {registration.status}")
    drawn = draw_overlay(visible, thermal, registration)
    for left, top, right, bottom in detect(thermal):
        box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        carried = registration.to_visible(box)  # NaN where nothing corresponds
        if np.isfinite(carried).all():
            cv2.polylines(drawn, [carried.round().astype(np.int32)], True, (0, 255, 0), 2)
            print(*carried.min(axis=0).round(1), *carried.max(axis=0).round(1))
    cv2.imwrite(picture, drawn)


if __name__ == "__main__":
    main(*sys.argv[1:])
