"""Where training images come from: aligned pairs, visible photos, thermal images alone."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from pydantic import PositiveFloat
from torch import Tensor

from distillmatch_ros.base.configuration import LocalPath
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import resizing
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import IMAGE_SUFFIXES, read_folder
from distillmatch_ros.registration.alignment import Aligner
from distillmatch_ros.registration.gate import Gate

# Rows and columns of a stored image, whatever its shape was: a little finer than the network's input, so
# that a narrow thermal view still has detail and a full view hardly aliases.
STORED = (352, 448)


@dataclass(frozen=True)
class Source:
    """Images of one kind and origin.

    Attributes:
        kind: ``pairs`` of aligned images, ``photos`` of a visible camera, ``thermal`` images alone.
        folder: a pairs folder, or a folder of pictures.
        weight: how often it is drawn from, relative to the others: the largest source is not to rule.
        names: which files, as a shell pattern.
        realign: of pairs: put right, on the edges of the images, what the alignment is off by.
    """

    kind: Literal["pairs", "photos", "thermal"]
    folder: LocalPath
    weight: PositiveFloat
    names: str = "*"
    realign: bool = False


@dataclass(frozen=True)
class ImageStore:
    """Images in memory, stretched to one size.

    Attributes:
        colours: uint8 (N, 3, h, w) RGB, or
            (0, 3, h, w) for thermal images alone.
        thermal: uint8 (N, 1, h, w), or (0, 1, h, w) for plain photos. Photos may have a translated one.
        aspects: float32 (N,) width over height before stretching.
    """

    colours: Tensor
    thermal: Tensor
    aspects: Tensor

    def to(self, device: torch.device) -> "ImageStore":
        """The same on another device."""
        return ImageStore(self.colours.to(device), self.thermal.to(device), self.aspects.to(device))

    def untranslated(self) -> "ImageStore":
        """Photos without what a V2I-GAN made of them."""
        return ImageStore(self.colours, self.thermal[:0], self.aspects)

    def sides(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """What is visible and what is thermal of the images of an index, uint8 (B, 3, h, w) each.

        What was never taken by one of the cameras is the other's picture.
        """
        colours = self.colours if len(self.colours) else self.thermal
        thermal = self.thermal if len(self.thermal) else self.colours
        return colours[index].expand(-1, 3, -1, -1), thermal[index].expand(-1, 3, -1, -1)


def _stored(image: np.ndarray) -> Tensor:
    smaller = image.shape[0] > STORED[0]
    resized = cv2.resize(image, STORED[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(resized).transpose(2, 0, 1)))


def stored_colours(image: np.ndarray) -> Tensor:
    """A camera image as RGB of the stored size, uint8 (3, h, w)."""
    eight_bit = image if image.dtype == np.uint8 else to_8bit(image)
    if eight_bit.ndim == 2:
        eight_bit = cv2.cvtColor(eight_bit, cv2.COLOR_GRAY2BGR)
    return _stored(eight_bit[..., 2::-1])


def stored_thermal(image: np.ndarray) -> Tensor:
    """A thermal image after gain control, of the stored size, uint8 (1, h, w)."""
    return _stored(to_8bit(image))


def _aspect(image: np.ndarray) -> float:
    ratio: float = image.shape[1] / image.shape[0]
    return ratio


def load_pairs(folder: Path, realign: bool = False, names: str = "*") -> ImageStore:
    """Read an aligned pairs folder (``visible/NAME``, ``thermal/NAME``).

    Args:
        folder: the folder.
        realign: align each pair anew on the edges of its images, see `realigned`.
        names: which pairs, as a shell pattern.

    Raises:
        DistillMatchError: no pair is named so.
    """
    colours, thermals, aspects = [], [], []
    for pair in (pair for pair in read_folder(folder) if fnmatch(pair.visible.name, names)):
        visible, thermal = read_image(pair.visible), to_8bit(read_thermal(pair.thermal))
        colours.append(stored_colours(visible))
        aspects.append(_aspect(visible))
        thermals.append(_stored(realigned(visible, thermal) if realign else thermal))
    if not colours:
        raise DistillMatchError(f"{folder}: holds no pair named {names}; correct the source's names")
    return ImageStore(torch.stack(colours), torch.stack(thermals), torch.tensor(aspects))


def realigned(visible: np.ndarray, thermal: np.ndarray) -> np.ndarray:
    """The thermal image where the edges of both put it, if they are sure.

    Pairs that were aligned by hand are off by some pixels, more than the fine stage is to learn: by 6 of 640
    in the median of RoadScene's.

    Args:
        visible: as read, (H, W) or (H, W, C).
        thermal: uint8 (h, w), which spans the same field of view.

    Returns:
        uint8 (h, w).
    """
    grey, aligner = to_8bit(to_grey(visible)), Aligner(thermal)
    by_hand = resizing(thermal.shape, grey.shape)
    nearer = aligner.align(grey, by_hand)
    alignment = aligner.align(grey, nearer.homography)
    if alignment.peak_prominence < Gate().sure_peak_prominence:
        return thermal
    shift = np.linalg.inv(by_hand) @ alignment.homography
    return cv2.warpPerspective(thermal, shift, thermal.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def picture_paths(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted by name.

    Raises:
        DistillMatchError: it is missing or holds none.
    """
    if not folder.is_dir():
        raise DistillMatchError(f"{folder}: no such folder of pictures; check the path")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DistillMatchError(f"{folder}: holds no pictures; name a folder of jpg or png files")
    return paths


def load_photos(folder: Path) -> ImageStore:
    """Read every picture of a folder as a visible one."""
    colours, aspects = _read_pictures(folder, stored_colours)
    return ImageStore(colours, torch.empty(0, 1, *STORED, dtype=torch.uint8), aspects)


def load_thermals(folder: Path) -> ImageStore:
    """Read every picture of a folder as a thermal one."""
    thermal, aspects = _read_pictures(folder, stored_thermal)
    return ImageStore(torch.empty(0, 3, *STORED, dtype=torch.uint8), thermal, aspects)


def _read_pictures(folder: Path, stored: Callable[[np.ndarray], Tensor]) -> tuple[Tensor, Tensor]:
    images, aspects = [], []
    for path in picture_paths(folder):
        image = read_image(path)
        images.append(stored(image))
        aspects.append(_aspect(image))
    return torch.stack(images), torch.tensor(aspects)
