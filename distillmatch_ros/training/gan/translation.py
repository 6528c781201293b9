"""Translation of visible images with trained weights."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_bytes
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.images.files import read_image
from distillmatch_ros.model.weights import fitting, read
from distillmatch_ros.training.gan.config import GeneratorConfig
from distillmatch_ros.training.gan.generator import Generator
from distillmatch_ros.training.gan.semantics import Semantics
from distillmatch_ros.training.sources import ImageStore, load_photos, picture_paths, stored_colours

STORE_BATCH = 8


class Translator(nn.Module):
    """The visible-to-thermal generator with the semantic branch it was trained on.

    Attributes:
        steps: optimiser steps of its training.
    """

    def __init__(self, config: GeneratorConfig, semantics: Semantics, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.config = config
        self.semantics = semantics
        self.generator = Generator(3, 1, semantics.width, config)

    @classmethod
    def load(cls, path: Path) -> "Translator":
        """Read weights written by train-gan, in evaluation mode.

        Raises:
            DistillMatchError: the file holds no V2I-GAN of this project.
        """
        values = read(path)
        with fitting(path, "V2I-GAN", "name a .pt file that train-gan wrote"):
            semantics = Semantics.from_dict(values["semantics"], str(path))
            config = GeneratorConfig.from_dict(values["model"], str(path))
            translator = cls(config, semantics, values["step"])
            translator.generator.load_state_dict(values["weights"])
        return translator.eval()

    @torch.no_grad()
    def forward(self, visible: Tensor) -> Tensor:
        """Translate RGB float32 (B, 3, H, W) in [0, 1], multiples of 8, to thermal (B, 1, H, W) in [0, 1]."""
        with torch.autocast(visible.device.type, torch.bfloat16):
            translated: Tensor = self.generator(visible, self.semantics(visible))
            return translated

    def picture(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Translate a camera image of any size; uint8 (H, W) of the same size.

        The generator works at the size of its training (`STORED`): finer detail is lost.
        """
        (thermal,) = self._of_stored(stored_colours(image)[None])
        return resize(thermal[0].numpy(), (image.shape[0], image.shape[1]))

    def store(self, photos: ImageStore) -> ImageStore:
        """Photos with their pseudo-thermal side, which is deterministic."""
        thermals = [self._of_stored(colours) for colours in photos.colours.split(STORE_BATCH)]
        return ImageStore(photos.colours, torch.cat(thermals), photos.aspects)

    def _of_stored(self, colours: Tensor) -> Tensor:
        """uint8 (B, 3, h, w) -> uint8 (B, 1, h, w) on the same device."""
        visible = colours.to(next(self.parameters()).device).float() / 255
        grey: Tensor = (self(visible) * 255).round().to(colours.device, torch.uint8)
        return grey


OpenPhotos = Callable[[Path, Path | None, torch.device, Console], ImageStore]


def open_photos(folder: Path, v2i: Path | None, device: torch.device, console: Console) -> ImageStore:
    """The photos that a matcher is trained on, translated if there is a V2I-GAN.

    Args:
        folder: folder of visible images.
        v2i: weights written by ``train-gan``, or None.
        device: device of the result.
        console: where progress is reported; hundreds of photos take minutes without a GPU.
    """
    photos = load_photos(folder).to(device)
    if v2i is None:
        return photos
    console.print(f"translating {len(photos.colours)} photos with {v2i}")
    return Translator.load(v2i).to(device).store(photos)


def contents(
    config: GeneratorConfig, state: dict[str, Tensor], semantics: Semantics, step: int
) -> dict[str, Any]:
    """Content of a file for :meth:`Translator.load`; a checkpoint contains more."""
    return {"model": config.to_dict(), "weights": state, "semantics": semantics.to_dict(), "step": step}


def targets(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Each image of a folder with the PNG in ``out`` for its translation.

    Raises:
        DistillMatchError: the folder holds no images, or two of one name, or is ``out`` itself.
    """
    if out.resolve() == folder.resolve():
        raise DistillMatchError(f"{out}: holds the images to translate; name another folder")
    paths = picture_paths(folder)
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_name:
            raise DistillMatchError(
                f"{folder}: {by_name[path.stem].name} and {path.name} share a name; keep one of them"
            )
        by_name[path.stem] = path
    return [(path, out / f"{name}.png") for name, path in by_name.items()]


def translate_files(weights: Path, listed: Sequence[tuple[Path, Path]]) -> Iterator[DistillMatchError | None]:
    """Translate image files, each to its target; yields for each its error, or None.

    Raises:
        DistillMatchError: the weights cannot be read, or a target cannot be written.
    """
    translator = Translator.load(weights).to("cuda" if torch.cuda.is_available() else "cpu")
    for source, target in listed:
        try:
            image = read_image(source)
        except DistillMatchError as error:
            yield error
            continue
        write_bytes(target, cv2.imencode(".png", translator.picture(image))[1].tobytes())
        yield None
