"""The hottest value of each person found in RGB: hottest.py VISIBLE THERMAL OUT.png [RIG [DEPTH]]."""

import sys
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros import Registrar
from distillmatch_ros.bags.rig_learning import Parallax, by_rig, read_depth
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.rig.files import RigFile


def detect(visible: np.ndarray) -> list[np.ndarray]:
    """Boxes (left, top, width, height) of people; put your detector here."""
    people = cv2.HOGDescriptor()
    people.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    boxes, weights = people.detectMultiScale(visible, winStride=(8, 8))
    return [box for box, weight in zip(boxes, np.ravel(weights), strict=True) if weight > 0.8]


def main(visible_file: str, thermal_file: str, picture: str, rig: str = "", depth: str = "") -> None:
    visible, thermal = read_image(Path(visible_file)), read_image(Path(thermal_file))
    with Registrar.open() as registrar:
        pair = registrar.prepare(visible, thermal)
        found = registrar.register_prepared(pair)
    if rig:  # without a depth image, depth is found by regions
        known = read_depth(Path(depth), Path(visible_file), visible.shape[:2]) if depth else None
        found, doubt = by_rig(RigFile.load(Path(rig)).rig, pair, found, Parallax.REGIONS, known)
        sys.stderr.write(doubt or "")  # why the depth is not used
    if found.mapping is None:
        sys.exit(f"rejected: {found.status}")
    drawn = cv2.applyColorMap(to_8bit(thermal), cv2.COLORMAP_INFERNO)
    middle = np.array([(x, y, 1) for x in np.linspace(0.35, 0.65, 9) for y in np.linspace(0.2, 0.8, 9)])
    for left, top, width, height in detect(visible):
        there = found.to_thermal(middle[:, :2] * (width, height) + (left, top))  # its rim is background
        seen = np.isfinite(there).all(axis=1)  # NaN where something nearer hides it
        ends = np.array([[0, 0, 1], [1, 1, 1]]) @ np.linalg.lstsq(middle[seen], there[seen], rcond=None)[0]
        (x0, y0), (x1, y1) = np.clip(np.rint(ends), 0, thermal.shape[1::-1]).astype(int)
        if x0 < x1 and y0 < y1:
            print(x0, y0, x1, y1, thermal[y0:y1, x0:x1].max())
            cv2.rectangle(drawn, (x0, y0), (x1, y1), (0, 255, 0), 2)
    cv2.imwrite(picture, drawn)


if __name__ == "__main__":
    main(*sys.argv[1:])
