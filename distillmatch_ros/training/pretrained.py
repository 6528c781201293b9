"""ImageNet weights of EfficientNet-Lite0 for the model's trunk."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.trunk import InvertedResidual, PretrainedTrunk
from distillmatch_ros.model.weights import fitting

# Of EfficientNet's batch normalisation.
EPSILON = 1e-3
# What a z-scored grey value of 1 is where images of [-1, 1] were learnt from.
DEVIATION = 0.5
# Blocks up to 1/4 of what the trunk sees: edges look alike everywhere, and here a step spends most on them.
FROZEN = 3
REMEDY = (
    "name the .pth file of EfficientNet-Lite0 with its usual names (_conv_stem.weight, ...) as pretrained"
)


def load_trunk(trunk: PretrainedTrunk, path: Path) -> None:
    """Put ImageNet weights into a trunk, batch normalisation folded.

    Raises:
        DistillMatchError: the file cannot be read, or holds another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the bytes provoke
        raise DistillMatchError(f"{path}: cannot be read as weights ({error!s:.200}); {REMEDY}") from error
    with fitting(path, "weights of EfficientNet-Lite0", REMEDY), torch.no_grad():
        weight, bias = folded(state, "_conv_stem", "_bn0")
        # The network's two views of one grey image stand for three equal colours.
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
    """Leave the first blocks as they are."""
    for block in (trunk.stem, trunk.fine[:FROZEN]):
        block.requires_grad_(False)


def folded(state: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does what it and the batch normalisation after it do."""
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = state[f"{convolution}.weight"] * gain[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain


def _put(convolution: torch.nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    assert convolution.bias is not None
    if convolution.weight.shape != weight.shape:
        raise ValueError(f"{tuple(weight.shape)} where {tuple(convolution.weight.shape)} belongs")
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)
