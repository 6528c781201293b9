"""ImageNet weights for the trunk: folded exactly, put where they belong, silent until something is learnt."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.trunk import InvertedResidual, PretrainedTrunk
from distillmatch_ros.training.pretrained import EPSILON, FROZEN, folded, freeze, load_trunk


def norm_state(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels),
        f"{name}.running_mean": torch.randn(channels),
        f"{name}.running_var": torch.rand(channels) + 0.5,
    }


def lite0_state(trunk: PretrainedTrunk) -> dict[str, Tensor]:
    """A file's contents with the names of EfficientNet-Lite0 and random values."""
    state = {"_conv_stem.weight": torch.randn(32, 3, 3, 3), **norm_state("_bn0", 32)}
    for index, block in enumerate([*trunk.fine, *trunk.coarse]):
        assert isinstance(block, InvertedResidual)
        named = (("_expand_conv", "_bn0", block.expand), ("_depthwise_conv", "_bn1", block.depthwise))
        for convolution, norm, layer in (*named, ("_project_conv", "_bn2", block.project)):
            if layer is not None:
                state[f"_blocks.{index}.{convolution}.weight"] = torch.randn_like(layer.weight)
                state |= norm_state(f"_blocks.{index}.{norm}", len(layer.weight))
    return state


def test_a_folded_convolution_does_what_it_and_its_normalisation_did() -> None:
    convolution, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5, eps=EPSILON).eval()
    state = {"conv.weight": convolution.weight.detach(), **norm_state("norm", 5)}
    norm.load_state_dict(
        {key.removeprefix("norm."): value for key, value in state.items() if "norm" in key}, strict=False
    )
    image = torch.randn(2, 3, 8, 8)
    weight, bias = folded(state, "conv", "norm")
    torch.testing.assert_close(nn.functional.conv2d(image, weight, bias), norm(convolution(image)))


def test_every_convolution_of_the_trunk_is_given_its_weights(tmp_path: Path) -> None:
    trunk = PretrainedTrunk(16)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    state = lite0_state(trunk)
    torch.save(state, tmp_path / "lite0.pth")
    load_trunk(trunk, tmp_path / "lite0.pth")
    same = [name for name, value in trunk.state_dict().items() if torch.equal(value, before[name])]
    assert {name.split(".")[0] for name in same} == {"fine_projection", "coarse_projection"}
    block = trunk.coarse[0]
    assert isinstance(block, InvertedResidual)
    weight, bias = folded(
        state, f"_blocks.{len(trunk.fine)}._project_conv", f"_blocks.{len(trunk.fine)}._bn2"
    )
    assert torch.equal(block.project.weight, weight) and torch.equal(block.project.bias, bias)
    freeze(trunk)
    frozen = [all(not p.requires_grad for p in block.parameters()) for block in [*trunk.fine, *trunk.coarse]]
    assert frozen == [True] * FROZEN + [False] * (len(frozen) - FROZEN)


def test_a_trunk_changes_nothing_before_it_has_learnt(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 1, tiny_config.height, tiny_config.width)
    plain = DistillMatch(tiny_config).eval()
    network = DistillMatch(replace(tiny_config, trunk="efficientnet-lite0")).eval()
    network.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        for ours, theirs in zip(network(*images), plain(*images), strict=True):
            torch.testing.assert_close(ours, theirs)
        assert network.trunk is not None
        nn.init.normal_(network.trunk.fine_projection.weight)
        told, untold = network.describe(*images).semantic, plain.describe(*images).semantic
    assert (told - untold).abs().max() > 0.1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "_blocks.2._project_conv.weight.* is missing"),
        ({"_conv_stem.weight": torch.zeros(8, 3, 3, 3)}, ""),
    ],
)
def test_another_network_is_refused_by_name(tmp_path: Path, change: dict[str, Tensor], word: str) -> None:
    state = lite0_state(PretrainedTrunk(16)) | change
    if not change:
        del state["_blocks.2._project_conv.weight"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(DistillMatchError, match=f"other.pth.*{word}"):
        load_trunk(PretrainedTrunk(16), tmp_path / "other.pth")
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(DistillMatchError, match=r"torn.pth: cannot be read"):
        load_trunk(PretrainedTrunk(16), tmp_path / "torn.pth")
