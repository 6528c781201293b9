"""Register every pair of a folder (visible/NAME, thermal/NAME) into a CSV: folder.py FOLDER TABLE.csv."""

import csv
import sys
from pathlib import Path

from distillmatch_ros import Registrar
from distillmatch_ros.bags.image_files import match_files
from distillmatch_ros.images.pairs import read_folder


def main(folder: str, table: str) -> None:
    with Registrar.open() as registrar, Path(table).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["visible", "status", "inliers", *(f"h{row}{column}" for row in range(3) for column in range(3))]
        )
        for result in match_files(registrar, read_folder(Path(folder))):
            found = result.registration
            inliers = 0 if found is None else int(found.inliers.sum())
            homography = None if found is None else found.homography
            numbers = [""] * 9 if homography is None else homography.ravel().tolist()
            writer.writerow([result.pair.visible.name, result.status, inliers, *numbers])


if __name__ == "__main__":
    main(*sys.argv[1:])
