"""Sources of training images: aligned pairs, visible photos, thermal images."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from distillmatch_ros.base.configuration import LocalPath, Weight
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import resize_matrix
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import IMAGE_SUFFIXES, read_folder
from distillmatch_ros.registration.alignment import Aligner
from distillmatch_ros.registration.gate import Gate

# Rows and columns of stored images, independent of their aspect: slightly finer than the network's input, so
# that narrow thermal views keep detail and full views hardly alias.
STORED = (352, 448)


@dataclass(frozen=True)
class ImageSource:
    """Images of one kind and origin.

    Attributes:
        kind: ``pairs`` (aligned), ``photos`` (visible only) or ``thermal`` (thermal only).
        folder: a pairs folder, or a folder of images.
        weight: sampling weight relative to the other sources, so that the largest one does not dominate.
        names: shell pattern of the file names.
        realign: for pairs: whether to correct their alignment on the images' edges.
    """

    kind: Literal["pairs", "photos", "thermal"]
    folder: LocalPath
    weight: Weight
    names: str = "*"
    realign: bool = False


@dataclass(frozen=True)
class ImageStore:
    """Images in memory, resized to one size.

    Attributes:
        colours: uint8 (N, 3, h, w) RGB, or (0, 3, h, w) for thermal images alone.
        thermal: uint8 (N, 1, h, w), or (0, 1, h, w) for plain photos. For photos it may be translated.
        aspects: float32 (N,) width divided by height before resizing.
    """

    colours: Tensor
    thermal: Tensor
    aspects: Tensor

    def to(self, device: torch.device) -> "ImageStore":
        """A copy on another device."""
        return ImageStore(self.colours.to(device), self.thermal.to(device), self.aspects.to(device))

    def untranslated(self) -> "ImageStore":
        """Photos without their translation by a V2I-GAN."""
        return ImageStore(self.colours, self.thermal[:0], self.aspects)

    def sides(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Visible and thermal sides of the images with these indices, uint8 (B, 3, h, w) each.

        A missing side is replaced by the other one.
        """
        colours = self.colours if len(self.colours) else self.thermal
        thermal = self.thermal if len(self.thermal) else self.colours
        return colours[index].expand(-1, 3, -1, -1), thermal[index].expand(-1, 3, -1, -1)


def _stored(image: np.ndarray) -> Tensor:
    smaller = image.shape[0] > STORED[0]
    resized = cv2.resize(image, STORED[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(resized).transpose(2, 0, 1)))


def stored_colours(image: np.ndarray) -> Tensor:
    """Convert a camera image to RGB of the stored size, uint8 (3, h, w)."""
    eight_bit = image if image.dtype == np.uint8 else to_8bit(image)
    if eight_bit.ndim == 2:
        eight_bit = cv2.cvtColor(eight_bit, cv2.COLOR_GRAY2BGR)
    return _stored(eight_bit[..., 2::-1])


def stored_thermal(image: np.ndarray) -> Tensor:
    """Convert a thermal image by gain control to the stored size, uint8 (1, h, w)."""
    return _stored(to_8bit(image))


def _aspect(image: np.ndarray) -> float:
    ratio: float = image.shape[1] / image.shape[0]
    return ratio


def load_pairs(folder: Path, realign: bool = False, names: str = "*") -> ImageStore:
    """Read an aligned pairs folder (``visible/NAME``, ``thermal/NAME``).

    Args:
        folder: the folder.
        realign: whether to align each pair on the edges of its images; see `realigned`.
        names: shell pattern of the pairs' names.

    Raises:
        DistillMatchError: no pair has such a name, or an image cannot be read.
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
    """Align the thermal image on the edges of both images, if the result is clear.

    Pairs aligned by hand are off by several pixels, more than the fine stage should learn: RoadScene's by 6
    of 640 in the median.

    Args:
        visible: as read, (H, W) or (H, W, C).
        thermal: uint8 (h, w) with the same field of view.

    Returns:
        uint8 (h, w).
    """
    grey, aligner = to_8bit(to_grey(visible)), Aligner(thermal)
    by_hand = resize_matrix(thermal.shape, grey.shape)
    nearer = aligner.align(grey, by_hand)
    alignment = aligner.align(grey, nearer.homography)
    if alignment.peak_prominence < Gate().sure_peak_prominence:
        return thermal
    shift = np.linalg.inv(by_hand) @ alignment.homography
    return cv2.warpPerspective(thermal, shift, thermal.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def picture_paths(folder: Path) -> list[Path]:
    """The image files of a folder, sorted by name.

    Raises:
        DistillMatchError: the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DistillMatchError(f"{folder}: no such folder of images; check the path")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DistillMatchError(f"{folder}: holds no images; name a folder of jpg or png files")
    return paths


def load_photos(folder: Path) -> ImageStore:
    """Read all images of a folder as visible ones."""
    colours, aspects = _read_pictures(folder, stored_colours)
    return ImageStore(colours, torch.empty(0, 1, *STORED, dtype=torch.uint8), aspects)


def load_thermals(folder: Path) -> ImageStore:
    """Read all images of a folder as thermal ones."""
    thermal, aspects = _read_pictures(folder, stored_thermal)
    return ImageStore(torch.empty(0, 3, *STORED, dtype=torch.uint8), thermal, aspects)


def _read_pictures(folder: Path, stored: Callable[[np.ndarray], Tensor]) -> tuple[Tensor, Tensor]:
    images, aspects = [], []
    for path in picture_paths(folder):
        image = read_image(path)
        images.append(stored(image))
        aspects.append(_aspect(image))
    return torch.stack(images), torch.tensor(aspects)
