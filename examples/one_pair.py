"""Register one pair of images and draw the result: one_pair.py VISIBLE THERMAL OVERLAY.png."""

import sys
from pathlib import Path

import cv2

from distillmatch_ros import DistillMatchError, Registrar, Status
from distillmatch_ros.images.files import read_image
from distillmatch_ros.visualisation.overlay import draw_overlay


def main(visible_file: str, thermal_file: str, overlay_file: str) -> int:
    try:
        visible, thermal = read_image(Path(visible_file)), read_image(Path(thermal_file))
        with Registrar.open() as registrar:
            registration = registrar.register(visible, thermal)
    except DistillMatchError as error:
        print(error, file=sys.stderr)
        return 1
    cv2.imwrite(overlay_file, draw_overlay(visible, thermal, registration))
    print(f"{registration.status.value}: {registration.inliers.sum()} of {len(registration.inliers)} agree")
    if registration.status is Status.OK:
        print(registration.homography)  # maps thermal pixels to visible pixels
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
