"""Frames of a rig at 30 Hz whose homography is known."""

import cv2
import numpy as np
from support.scripted_engine import scene_pair

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame

FRAME = SECOND // 30


def frames(number: int, same_thermal: bool = False) -> tuple[Frame, Frame]:
    """A coloured pair; the thermal one 16 bit and 2 ms later."""
    visible, thermal = scene_pair()
    visible = cv2.cvtColor(visible, cv2.COLOR_GRAY2BGR)
    raw = thermal.astype(np.uint16) * 4 + 7000 + (99 if same_thermal else number)
    stamp = 100 * SECOND + number * FRAME
    return Frame(visible, "rgb8", stamp, "rgb"), Frame(raw, "16UC1", stamp + 2_000_000, "thermal")
