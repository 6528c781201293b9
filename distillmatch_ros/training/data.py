"""Training batches: pairs with known geometry out of aligned pairs and plain photos."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import resizing
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import IMAGE_SUFFIXES, read_folder
from distillmatch_ros.registration.alignment import Aligner
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.photometric import pseudo_thermal, random_grey, thermal_faults, visible_faults
from distillmatch_ros.training.views import ViewRange, thermal_quads, view_to_image, visible_quads, warp

# Rows and columns of a stored image, whatever its shape was: a little finer than the network's input, so
# that a narrow thermal view still has detail and a full view hardly aliases.
STORED = (352, 448)


@dataclass(frozen=True)
class Batch:
    """Pairs with known geometry.

    Attributes:
        visible: float32 (B, 1, H, W) grey in [0, 1].
        thermal: float32 (B, 1, H, W).
        thermal_to_visible: float32 (B, 3, 3), network pixels.
        visible_mask: float32 (B, 1, H, W), 0 where the view reaches past the stored image.
        thermal_mask: float32 (B, 1, H, W).
    """

    visible: Tensor
    thermal: Tensor
    thermal_to_visible: Tensor
    visible_mask: Tensor
    thermal_mask: Tensor


@dataclass(frozen=True)
class ImageStore:
    """Images in memory, stretched to one size.

    Attributes:
        colours: uint8 (N, 3, h, w) RGB.
        thermal: uint8 (N, 1, h, w), or (0, 1, h, w) for plain photos. Photos may have a translated one.
        aspects: float32 (N,) width over height before stretching.
    """

    colours: Tensor
    thermal: Tensor
    aspects: Tensor

    def to(self, device: torch.device) -> "ImageStore":
        """The same on another device."""
        return ImageStore(self.colours.to(device), self.thermal.to(device), self.aspects.to(device))


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


def load_pairs(folder: Path, realign: bool = False) -> ImageStore:
    """Read an aligned pairs folder (``visible/NAME``, ``thermal/NAME``).

    Args:
        folder: the folder.
        realign: align each pair anew on the edges of its images, see `realigned`.
    """
    colours, thermals, aspects = [], [], []
    for pair in read_folder(folder):
        visible, thermal = read_image(pair.visible), to_8bit(read_thermal(pair.thermal))
        colours.append(stored_colours(visible))
        aspects.append(_aspect(visible))
        thermals.append(_stored(realigned(visible, thermal) if realign else thermal))
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


def _fill(image: Tensor, mask: Tensor) -> Tensor:
    """Beyond the stored image stands the mean of the view, as in the second pass of a registration."""
    mean = (image * mask).mean(dim=(2, 3), keepdim=True) / mask.mean(dim=(2, 3), keepdim=True).clamp(min=1e-3)
    return image * mask + mean * (1 - mask)


class PairSampler:
    """Makes the batch of a step: first the aligned pairs, then the photos with a pseudo-thermal view."""

    def __init__(
        self,
        pairs: ImageStore,
        photos: ImageStore | None,
        photo_fraction: float,
        fault_fraction: float,
        ranges: list[ViewRange],
        size: tuple[int, int],
        crop: tuple[float, float],
        translated_fraction: float = 0.0,
    ) -> None:
        """Sample views.

        Args:
            pairs: aligned pairs.
            photos: visible photos, or None; with their translations if ``translated_fraction`` asks for them.
            photo_fraction: fraction of a batch that comes from the photos.
            fault_fraction: fraction of the images that get the faults of a camera. The others teach what the
                fine stage does not learn where noise and blur drown the edges.
            ranges: how far apart the cameras may stand.
            size: rows and columns of the views.
            crop: smallest and largest side of the visible view, as a fraction of the image.
            translated_fraction: fraction of the photos whose thermal side is the stored translation.
        """
        self.pairs = pairs
        self.photos = photos
        self.photo_fraction = photo_fraction if photos is not None else 0.0
        self.fault_fraction = fault_fraction
        self.ranges = ranges
        self.size = size
        self.crop = crop
        self.translated_fraction = translated_fraction

    def sample(self, batch: int, seed: tuple[int, ...], device: torch.device) -> Batch:
        """The batch that belongs to a seed."""
        draw = Draw(batch, seed, device)
        from_photos = round(batch * self.photo_fraction)
        index = draw.index(len(self.pairs.colours), batch - from_photos)
        colours, thermal, aspects = (
            x[index] for x in (self.pairs.colours, self.pairs.thermal, self.pairs.aspects)
        )
        if self.photos is not None:
            index = draw.index(len(self.photos.colours), from_photos)
            colours = torch.cat([colours, self.photos.colours[index]])
            sides = self.photos.thermal if self.translated_fraction else self.photos.colours[:, :1]
            thermal = torch.cat([thermal, sides[index]])
            aspects = torch.cat([aspects, self.photos.aspects[index]])
        mirrored = draw.chance(0.5)
        colours = torch.where(mirrored, colours.flip(3), colours).float() / 255
        thermal = torch.where(mirrored, thermal.flip(3), thermal).float() / 255
        if from_photos:
            photo_draw = Draw(from_photos, (*seed, 1), device)
            pseudo = pseudo_thermal(photo_draw, colours[-from_photos:])
            translated = photo_draw.chance(self.translated_fraction)
            pseudo = torch.where(translated, thermal[-from_photos:], pseudo)
            thermal = torch.cat([thermal[:-from_photos], pseudo])
        return self._look(draw, random_grey(draw, colours), thermal, aspects)

    def _look(self, draw: Draw, visible: Tensor, thermal: Tensor, aspects: Tensor) -> Batch:
        quads = visible_quads(draw, aspects, self.crop)
        from_visible = view_to_image(quads, aspects, self.size, STORED)
        from_thermal = view_to_image(thermal_quads(draw, quads, self.ranges), aspects, self.size, STORED)
        ones = torch.ones_like(visible)
        visible_view = warp(torch.cat([visible, ones], dim=1), from_visible, self.size)
        thermal_view = warp(torch.cat([thermal, ones], dim=1), from_thermal, self.size)
        visible, visible_mask = visible_view.split(1, dim=1)
        thermal, thermal_mask = thermal_view.split(1, dim=1)
        visible = torch.where(draw.chance(self.fault_fraction), visible_faults(draw, visible), visible)
        thermal = torch.where(draw.chance(self.fault_fraction), thermal_faults(draw, thermal), thermal)
        return Batch(
            visible=_fill(visible, visible_mask),
            thermal=_fill(thermal, thermal_mask),
            thermal_to_visible=torch.linalg.solve(from_visible, from_thermal),
            visible_mask=visible_mask,
            thermal_mask=thermal_mask,
        )
