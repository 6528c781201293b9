"""What every platform is given: the package, a pair and a drive whose truth is known."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros.demo.drive import record_drive
from distillmatch_ros.geometry.homography import Size, transform
from distillmatch_ros.scene import render_pair

FRAMES = 11  # a calibration takes 10 pairs


@dataclass(frozen=True)
class Material:
    """What every platform is given.

    Attributes:
        folder: holds it.
        wheel: name of the package's wheel in it.
        truth: float32 (512, 640, 2), visible pixel of each thermal one; NaN where there is none.
        visible: size of the visible image.
    """

    folder: Path
    wheel: str
    truth: np.ndarray
    visible: Size

    @classmethod
    def make(cls, root: Path, folder: Path, python: str) -> "Material":
        """Build the wheel of a checkout, copy the files under version control, render a pair and a drive."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():  # not one that is removed and not yet committed
                (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, folder / "checkout" / name)
        build = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
        shutil.copytree(folder / "checkout", folder / "source")  # building leaves files beside its source
        subprocess.run([*build, str(folder / "source")], check=True)
        shutil.rmtree(folder / "source")
        pair = render_pair(1)
        cv2.imwrite(str(folder / "visible.png"), pair.visible)
        cv2.imwrite(str(folder / "thermal.png"), pair.thermal)
        record_drive(folder / "drive.mcap", frames=FRAMES)
        (wheel,) = folder.glob("*.whl")
        height, width = pair.visible.shape[:2]
        return cls(folder, wheel.name, pair.truth, (height, width))

    @property
    def thermal(self) -> Size:
        """Size of the thermal image."""
        height, width = self.truth.shape[:2]
        return height, width

    def error_px(self, homography: np.ndarray) -> float:
        """Median distance of the thermal pixels from where they belong, visible pixels."""
        rows, columns = np.nonzero(np.isfinite(self.truth).all(axis=2))
        mapped = transform(homography, np.stack([columns, rows], axis=1).astype(float))
        return float(np.median(np.linalg.norm(mapped - self.truth[rows, columns], axis=1)))
