"""Frozen teachers of the semantic student: foundation models, or a network of this package."""

import hashlib
import inspect
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.attention import to_tokens
from distillmatch_ros.model.weights import Weights, digest, save
from distillmatch_ros.training.distillation import DistillationConfig
from distillmatch_ros.training.hub import image_statistics, load_model

# Side of the image area of a student's token, network pixels.
TOKEN = 16
# Side of a test image that is divisible by all usual patch sizes (7, 8, 14, 16, 28, 32).
PROBE = 224


class Teacher(nn.Module):
    """A frozen network in evaluation mode and half precision that computes semantic features.

    Attributes:
        width: channels of its features.
    """

    width: int

    def forward(self, images: Tensor) -> Tensor:
        """Grey images, float32 (B, 1, H, W) in [0, 1] -> bfloat16 features (B, width, H/16, W/16)."""
        raise NotImplementedError


class OwnNetwork(Teacher):
    """Semantic features of a larger network of this project."""

    def __init__(self, path: Path, view: tuple[int, int]) -> None:
        """Load weights.

        Raises:
            DistillMatchError: the file holds none, or the network's input is smaller than ``view``.
        """
        super().__init__()
        weights = Weights.load(path)
        config = weights.config
        if view[0] > config.height or view[1] > config.width:
            raise DistillMatchError(
                f"{path}: takes images up to {config.width}x{config.height}, training shows it "
                f"{view[1]}x{view[0]}; choose a smaller view or another teacher"
            )
        self.width = config.semantic_width
        network = weights.network().bfloat16()
        self.normalisation = network.normalisation
        self.texture = network.texture
        self.student = network.student

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`Teacher`."""
        features: Tensor = self.student(self.texture(self.normalisation(images).bfloat16())[2])
        return features


class FoundationModel(Teacher):
    """A vision backbone loaded by ``transformers``, such as DINOv2 or DINOv3.

    Grey images are repeated in three channels and resized so that a patch corresponds to a token of the
    student: to 7/8 for 14-pixel patches (as in the paper), unchanged for 16, to twice the size for a ConvNeXt
    of stride 32, whose features would otherwise be half as fine.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, view: tuple[int, int], layer: int | None = None) -> None:
        """Load a model by hub id or from a folder.

        Args:
            name: hub id or folder.
            view: rows and columns of the images.
            layer: layer whose tokens are the features, from 1, or None for the model's output.

        Raises:
            DistillMatchError: it cannot be loaded, or does not process an image as a grid of patches.
        """
        super().__init__()
        self.name, self.layer = name, layer
        self.model = load_model(name, torch.bfloat16)
        # Without this argument some models reject images of other sizes than in their training.
        parameters = inspect.signature(self.model.forward).parameters
        self.options = {key: True for key in ("interpolate_pos_encoding",) if key in parameters}
        if layer is not None:
            self.options["output_hidden_states"] = True
        mean, deviation = image_statistics(name)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))
        self.grid = view[0] // TOKEN, view[1] // TOKEN
        try:
            probe = self._tokens(torch.zeros(1, 3, PROBE, PROBE))
            # n*n patches after the class and register tokens, if any, which are too few for the next square.
            side = isqrt(probe.shape[1])
            self.front, self.width = probe.shape[1] - side**2, probe.shape[2]
            self.size = self.grid[0] * PROBE // side, self.grid[1] * PROBE // side
            count = self._tokens(torch.zeros(1, 3, *self.size)).shape[1] - self.front
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise DistillMatchError(
                f"{name}: cannot be a teacher, it fails on an image with {str(error).splitlines()[0]!r}; "
                "choose a model like DINOv2 or DINOv3"
            ) from error
        if PROBE % side or count != self.grid[0] * self.grid[1]:
            raise DistillMatchError(
                f"{name}: cannot be a teacher, its {count} tokens do not form the student's grid of "
                f"{self.grid[0]}x{self.grid[1]}; choose a model like DINOv2 or DINOv3"
            )

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`Teacher`."""
        # With antialiasing, which prevents moire when scaling down.
        resized = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        tokens = self._tokens((resized - self.mean) / self.deviation)
        features: Tensor = tokens[:, self.front :].transpose(1, 2).unflatten(2, self.grid)
        return features

    @torch.no_grad()
    def _tokens(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, h, w) -> tokens (B, T, width), also if the model returns feature maps."""
        answer = self.model(pixel_values=images.bfloat16(), **self.options)
        features: Tensor = answer.last_hidden_state
        if self.layer is not None:
            layers = answer.hidden_states[1:]  # the first entry is the patch embedding
            if self.layer > len(layers):
                raise DistillMatchError(
                    f"{self.name}: has {len(layers)} layers, distillation.layer is {self.layer}: choose one"
                )
            features = layers[self.layer - 1]
        return to_tokens(features) if features.ndim == 4 else features


class CachedTeacher(Teacher):
    """Caches a teacher's features on disk, one file per image.

    The file name is a hash of the teacher's weights and the pixels, hence of image, view and faults.
    """

    def __init__(self, teacher: Teacher, folder: Path) -> None:
        super().__init__()
        self.teacher = teacher
        self.width = teacher.width
        self.folder = folder / digest(teacher.state_dict())[:16]

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`Teacher`."""
        paths = [self.folder / f"{_pixel_hash(image)}.pt" for image in images.cpu()]
        known = {path: features for path in paths if (features := _recall(path)) is not None}
        new = [index for index, path in enumerate(paths) if path not in known]
        if new:
            for index, features in zip(new, self.teacher(images[new]), strict=True):
                known[paths[index]] = features
                # Cloned: saving a slice would save the whole batch.
                save({"features": features.clone().cpu()}, paths[index])
        return torch.stack([known[path].to(images.device) for path in paths])


def open_teacher(config: DistillationConfig, view: tuple[int, int], device: torch.device) -> Teacher:
    """The teacher of a configuration, for training views with these rows and columns.

    Raises:
        DistillMatchError: it cannot be loaded, or does not support these views.
    """
    own = config.teacher.endswith(".pt")
    teacher = (
        OwnNetwork(Path(config.teacher), view) if own else FoundationModel(config.teacher, view, config.layer)
    )
    frozen: Teacher = teacher.eval().requires_grad_(False).to(device)
    if config.cache is None:
        return frozen
    return CachedTeacher(frozen, config.cache / f"layer-{config.layer}" if config.layer else config.cache)


def _pixel_hash(image: Tensor) -> str:
    return hashlib.sha256(f"{tuple(image.shape)}".encode() + image.numpy().tobytes()).hexdigest()


def _recall(path: Path) -> Tensor | None:
    if not path.exists():
        return None
    try:
        features: Tensor = torch.load(path, weights_only=True)["features"]
    except Exception:  # damaged in whatever way: computed again
        return None
    return features
