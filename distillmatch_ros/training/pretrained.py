"""ImageNet weights of EfficientNet-Lite0 for the model's trunk."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.trunk import InvertedResidual, PretrainedTrunk
from distillmatch_ros.model.weights import fitting

# Epsilon of EfficientNet's batch normalisation.
EPSILON = 1e-3
# Input of the trunk, trained on images in [-1, 1], for a standardised grey value of 1.
DEVIATION = 0.5
# Number of frozen blocks, to 1/4 of the trunk's input: their features are generic, their gradients expensive.
FROZEN = 3
REMEDY = (
    "name the .pth file of EfficientNet-Lite0 with its usual names (_conv_stem.weight, ...) as pretrained"
)


def load_trunk(trunk: PretrainedTrunk, path: Path) -> None:
    """Load ImageNet weights into a trunk, with batch normalisation folded into the convolutions.

    Raises:
        DistillMatchError: the file cannot be read, or holds another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load may raise any exception on damaged files
        raise DistillMatchError(f"{path}: cannot be read as weights ({error!s:.200}); {REMEDY}") from error
    with fitting(path, "weights of EfficientNet-Lite0", REMEDY), torch.no_grad():
        weight, bias = folded(state, "_conv_stem", "_bn0")
        # The network's two input channels replace three equal colour channels.
        grey = weight.sum(dim=1, keepdim=True) * DEVIATION / 2
        _put(trunk.stem, grey.expand(-1, 2, -1, -1), bias)
        for index, block in enumerate([*trunk.fine, *trunk.coarse]):
            assert isinstance(block, InvertedResidual)
            name = f"_blocks.{index}"
            if block.expand is not None:
                _put(block.expand, *folded(state, f"{name}._expand_conv", f"{name}._bn0"))
            _put(block.depthwise, *folded(state, f"{name}._depthwise_conv", f"{name}._bn1"))
            _put(block.project, *folded(state, f"{name}._project_conv", f"{name}._bn2"))


def freeze(trunk: PretrainedTrunk) -> None:
    """Freeze the first blocks."""
    for block in (trunk.stem, trunk.fine[:FROZEN]):
        block.requires_grad_(False)


def folded(state: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution combined with the batch normalisation after it."""
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = state[f"{convolution}.weight"] * gain[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain


def _put(convolution: torch.nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    assert convolution.bias is not None
    if convolution.weight.shape != weight.shape:
        raise ValueError(f"{tuple(weight.shape)} where {tuple(convolution.weight.shape)} belongs")
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)
