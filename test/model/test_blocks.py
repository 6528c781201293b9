"""Each block of the network: the shape it promises, and a gradient that reaches every parameter."""

import torch
from torch import Tensor, nn

from distillmatch_ros.model.attention import Attention, TransformerLayer, position_encoding, to_map, to_tokens
from distillmatch_ros.model.backbone import TextureBackbone
from distillmatch_ros.model.cefg import CategoryEncoder, CategoryGuidance, RestormerBlock
from distillmatch_ros.model.coarse import CoarseLayer, CoarseTransformer
from distillmatch_ros.model.fine import FineMatching, SubPixelRefinement
from distillmatch_ros.model.normalisation import InputNormalisation
from distillmatch_ros.model.stfa import ChannelAggregation, FeatureAggregation, SpatialAggregation
from distillmatch_ros.model.student import SemanticStudent

GRID = (8, 12)


def assert_learns(block: nn.Module, *outputs: Tensor) -> None:
    """A random projection of the outputs has a gradient in every parameter of the block."""
    generator = torch.Generator().manual_seed(0)
    total = sum((out * torch.randn(out.shape, generator=generator)).sum() for out in outputs)
    total.backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_position_encoding_tells_every_cell_from_every_other() -> None:
    encoding = position_encoding(32, *GRID)
    assert encoding.shape == (1, 32, *GRID)
    tokens = to_tokens(encoding)[0]
    apart = torch.cdist(tokens, tokens) + torch.eye(len(tokens)) * 10
    assert apart.min() > 0.1


def test_tokens_and_maps_are_inverse() -> None:
    image = features(2, 16, *GRID)
    assert torch.equal(to_map(to_tokens(image), image), image)


def test_attention() -> None:
    block = Attention(32, 4)
    out = block(features(2, 10, 32), features(2, 7, 32))
    assert out.shape == (2, 10, 32)
    # The key's bias shifts all scores of a query alike, which the softmax cannot see: no gradient there.
    block.key_value.bias.data.requires_grad_(False)
    out.sum().backward()
    assert block.query.weight.grad is not None
    assert block.query.weight.grad.abs().max() > 0


def test_attention_agrees_with_pytorch() -> None:
    block = Attention(32, 4)
    tokens, source = features(2, 10, 32), features(2, 7, 32)
    reference = nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([block.query.weight, block.key_value.weight]))
        reference.in_proj_bias.copy_(torch.cat([block.query.bias, block.key_value.bias]))
        reference.out_proj.weight.copy_(block.output.weight)
        reference.out_proj.bias.copy_(block.output.bias)
        expected, _ = reference(tokens, source, source)
        torch.testing.assert_close(block(tokens, source), expected)


def test_transformer_layer() -> None:
    block = TransformerLayer(32, 4)
    out = block(features(2, 10, 32), features(2, 7, 32))
    assert out.shape == (2, 10, 32)
    assert_learns(block, out)


def test_normalisation_ignores_brightness_and_contrast() -> None:
    block = InputNormalisation()
    image = features(2, 1, 64, 96).sigmoid()
    out = block(image)
    assert out.shape == (2, 2, 64, 96)
    assert (block(0.5 * image + 0.3) - out).abs().max() < 0.2
    assert (block(image) - block(image.flip(3)).flip(3)).abs().max() < 1e-4


def test_normalisation_shows_a_dark_corner_beside_a_lamp() -> None:
    image = torch.zeros(1, 1, 64, 96)
    image[..., :32, :32] = 0.1 + 0.05 * features(1, 1, 32, 32)
    image[..., 40:, 60:] = 1
    whole, local = InputNormalisation()(image)[0]
    assert local[4:28, 4:28].std() > 3 * whole[4:28, 4:28].std()


def test_normalisation_of_a_constant_image_is_zero() -> None:
    out = InputNormalisation()(torch.full((1, 1, 64, 96), 0.7))
    assert out.abs().max() < 1e-2


def test_texture_backbone() -> None:
    block = TextureBackbone((8, 16, 32), (1, 1, 2))
    half, quarter, eighth = block(features(2, 2, 64, 96))
    assert half.shape == (2, 8, 32, 48)
    assert quarter.shape == (2, 16, 16, 24)
    assert eighth.shape == (2, 32, 8, 12)
    assert_learns(block, half, quarter, eighth)


def test_texture_cells_are_centred_on_multiples_of_their_stride() -> None:
    block = TextureBackbone((8, 16, 32), (0, 1, 1))
    image = features(1, 2, 64, 96).requires_grad_()
    # Instance normalisation couples all pixels; what is left without it is the receptive field.
    for module in block.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # type: ignore[method-assign]
    _, _, eighth = block(image)
    eighth[0, :, 4, 6].sum().backward()
    assert image.grad is not None
    rows, columns = image.grad[0].abs().sum(dim=0).nonzero().T
    assert (rows.min() + rows.max()) / 2 == 4 * 8
    assert (columns.min() + columns.max()) / 2 == 6 * 8


def test_student() -> None:
    block = SemanticStudent(32, 16, 2, 2, (4, 6))
    out = block(features(2, 32, *GRID))
    assert out.shape == (2, 16, 4, 6)
    assert_learns(block, out)


def test_restormer_block() -> None:
    block = RestormerBlock(16, 2)
    out = block(features(2, 16, 4, 6))
    assert out.shape == (2, 16, 4, 6)
    assert_learns(block, out)


def test_category_encoder() -> None:
    block = CategoryEncoder(16, 2)
    category, logits = block(features(2, 16, 4, 6))
    assert category.shape == (2, 16, 1, 1)
    assert logits.shape == (2, 2)
    assert_learns(block, category, logits)


def test_category_guidance_tells_each_image_what_the_other_is() -> None:
    block = CategoryGuidance(16, 1, 2)
    visible, thermal = features(2, 16, 4, 6), features(2, 16, 4, 6).flip(1)
    guided, logits = block(torch.cat([visible, thermal]))
    assert guided.shape == (4, 16, 4, 6)
    assert logits.shape == (4, 2)
    assert_learns(block, guided, logits)
    other, _ = block(torch.cat([visible, 2 * thermal]))
    assert not torch.allclose(other[:2], guided[:2])


def test_channel_aggregation() -> None:
    block = ChannelAggregation(16, 2)
    out = block(features(2, 16, *GRID), features(2, 16, *GRID).flip(1))
    assert out.shape == (2, 16, *GRID)
    assert_learns(block, out)


def test_spatial_aggregation() -> None:
    block = SpatialAggregation(16, 2, 2)
    out = block(features(2, 16, *GRID), features(2, 16, *GRID).flip(1))
    assert out.shape == (2, 16, *GRID)
    assert_learns(block, out)


def test_feature_aggregation() -> None:
    block = FeatureAggregation(24, 16, 2, 2)
    out = block(features(2, 24, 4, 6), features(2, 16, *GRID))
    assert out.shape == (2, 16, *GRID)
    assert_learns(block, out)


def test_coarse_layer() -> None:
    block = CoarseLayer(16, 2, 2)
    out = block(features(2, 16, *GRID), features(2, 16, *GRID).flip(1))
    assert out.shape == (2, 16, *GRID)
    assert_learns(block, out)


def test_coarse_transformer() -> None:
    block = CoarseTransformer(16, 1, 2, 2, GRID)
    stack = features(4, 16, *GRID)
    descriptors = block(stack)
    assert descriptors.shape == (4, GRID[0] * GRID[1], 16)
    assert_learns(block, descriptors)
    # Cross-attention: another thermal image changes what is said of the visible one, and of no other pair.
    stack[2] = stack[2].flip(0)
    changed = (block(stack) - descriptors).abs().amax(dim=(1, 2)) > 1e-4
    assert changed.tolist() == [True, False, True, False]


def test_fine_matching() -> None:
    block = FineMatching((8, 16, 32), (16, 8))
    pyramid = (features(4, 8, 32, 48), features(4, 16, 16, 24), features(4, 32, *GRID))
    cells = torch.tensor([[0, 13, 95], [5, 50, 40], [3, 2, 1], [77, 60, 61]])
    descriptors = block(*pyramid, cells)
    assert descriptors.shape == (4, 3, 25, 8)
    assert_learns(block, descriptors)


def test_subpixel_refinement() -> None:
    block = SubPixelRefinement(8)
    visible, thermal = block(features(2, 3, 8), features(2, 3, 8).flip(2))
    assert visible.shape == thermal.shape == (2, 3, 2)
    assert max(visible.abs().max(), thermal.abs().max()) <= 0.5
    assert_learns(block, visible, thermal)
