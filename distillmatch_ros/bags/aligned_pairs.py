"""A folder of aligned pairs as it is written: images, cameras beside them, and the record of it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from distillmatch_ros.bags.splitting import Split
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import make_folder, write_bytes, write_json, write_text, writing
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.images.files import encode_file
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.exchange.reconstruction import colmap_cameras, nerf_camera

RECORD = "align.json"
SIDES = "visible", "thermal", "mask"


@dataclass(frozen=True, eq=False)
class KeptPair:
    """A pair whose files are written."""

    drive: int
    name: str
    source: str
    stamp: int
    status: Status
    probability: float | None
    sharpness: tuple[float, float]
    files: tuple[str, ...]


class PairEntry(TypedDict):
    """A pair that is kept, as a JSON object.

    Attributes:
        name: of its files.
        split: ``train`` or ``val``.
        source: the bag, or the file of the visible image.
        stamp: that of the visible image, ns; files count as one a second.
        status: of its registration.
        probability: that its error is below 10 px of an image 640 wide, or null.
    """

    name: str
    split: str
    source: str
    stamp: int
    status: str
    probability: float | None


class Expected(TypedDict):
    """How well the pairs are aligned, as far as it is known.

    Attributes:
        below_10_px: fraction of the pairs whose error is below 10 px of an image 640 wide, by the
            probabilities of the pairs; null if the network has none.
        rig_deviation_px: standard deviation of the rig's map, px of an image 640 wide, by ``near`` and
            ``far``, each at ``centre`` and ``corner``; null without --rig.
    """

    below_10_px: float | None
    rig_deviation_px: dict[str, dict[str, float]] | None


class AlignRecord(TypedDict):
    """What became of drives, as a JSON object: ``align.json``.

    Attributes:
        frame: camera whose pixels the images have, ``visible`` or ``thermal``.
        size: height and width of all images.
        camera: whether the intrinsics of that camera are known: transforms.json and cameras.txt.
        read: pairs that were read.
        kept: pairs that were kept, by part.
        left_out: pairs that were not, by reason.
        expected_error: how well the pairs are aligned.
        pairs: those that were kept.
    """

    frame: str
    size: tuple[int, int]
    camera: bool
    read: int
    kept: dict[str, int]
    left_out: dict[str, int]
    expected_error: Expected
    pairs: list[PairEntry]


@dataclass(eq=False)
class PairsFolder:
    """Writes aligned pairs, all of one size.

    Attributes:
        folder: an empty folder to write to.
        size: height and width of the images; None before the first one.
    """

    folder: Path
    size: Size | None = None

    def write(
        self, name: str, images: tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]], source: str
    ) -> tuple[str, ...]:
        """Write visible image, thermal image and mask; returns their files, relative to the folder.

        Raises:
            DistillMatchError: they are of another size than those before, or cannot be written.
        """
        size = images[2].shape[0], images[2].shape[1]
        self.size = self.size or size
        if size != self.size:
            raise DistillMatchError(
                f"{source}: images of {size[1]}x{size[0]}, but those before are of "
                f"{self.size[1]}x{self.size[0]}; align each rig alone"
            )
        mask = 255 * images[2].view(np.uint8)
        files = []
        for side, image in zip(SIDES, (*images[:2], mask), strict=True):
            suffix = ".png" if image.dtype in (np.uint8, np.uint16) else ".tiff"
            files.append(f"{side}/{name}{suffix}")
            write_bytes(self.folder / files[-1], encode_file(image, suffix))
        return tuple(files)

    def remove(self, each: KeptPair) -> None:
        """Delete the files of a pair."""
        with writing(self.folder):
            for file in each.files:
                (self.folder / file).unlink()

    def write_part(self, part: Split, pairs: Sequence[KeptPair], camera: Camera | None) -> None:
        """Move the pairs of a part into its folder, with the camera beside them if it is known."""
        if not pairs:
            return
        folder = self.folder / part.value
        with writing(folder):
            for side in SIDES:
                make_folder(folder / side)
            for each in pairs:
                for file in each.files:
                    (self.folder / file).rename(folder / file)
        if camera is None:
            return
        frames = [
            {"file_path": each.files[0], "thermal_path": each.files[1], "mask_path": each.files[2]}
            for each in pairs
        ]
        write_json(folder / "transforms.json", {**nerf_camera(camera), "frames": frames})
        write_text(folder / "cameras.txt", colmap_cameras(camera))

    def end(self, record: AlignRecord) -> None:
        """Write the record; pairs that are in no part have been removed."""
        with writing(self.folder):
            for side in SIDES:
                (self.folder / side).rmdir()
        write_json(self.folder / RECORD, record)

    def publish(self, out: Path) -> None:
        """Move the folder to where it is wanted, in place of what an earlier run left there.

        ``align.json`` goes first and comes last: where it lies, the pairs are whole.

        Raises:
            DistillMatchError: it cannot be written.
        """
        make_folder(out)
        with writing(out):
            (out / RECORD).unlink(missing_ok=True)
            for part in Split:
                if (out / part.value).exists():
                    shutil.rmtree(out / part.value)
                if (self.folder / part.value).exists():
                    (self.folder / part.value).rename(out / part.value)
            (self.folder / RECORD).rename(out / RECORD)
            self.folder.rmdir()
