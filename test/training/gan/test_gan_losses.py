"""Each loss is zero for what it wants and not for what it does not."""

import pytest
import torch

from distillmatch_ros.training.gan import losses


def scene(shift: int = 0) -> torch.Tensor:
    """Bright squares on grey, one in every second patch of the 8x8 grid."""
    image = torch.full((2, 1, 64, 96), 0.3)
    for row in range(0, 64, 16):
        for column in range(0, 96, 24):
            image[..., row + 2 : row + 6, column + 3 + shift : column + 8 + shift] = 0.8
    return image


@pytest.mark.parametrize("contrast", [1.0, -1.0, 0.4])
def test_gradient_alignment_is_zero_where_every_edge_has_its_like(contrast: float) -> None:
    """Whether it is brighter or darker, and however low the contrast."""
    assert losses.gradient_alignment(scene().expand(-1, 3, -1, -1), 0.5 + contrast * (scene() - 0.5)) < 1e-3


def test_gradient_alignment_misses_edges_that_are_not_there() -> None:
    flat, elsewhere = torch.full_like(scene(), 0.5), scene(shift=4)
    assert losses.gradient_alignment(scene(), flat) > 0.5
    assert losses.gradient_alignment(scene(), elsewhere) > 0.1
    half = torch.cat([scene()[..., :48], flat[..., 48:]], dim=3)
    assert losses.gradient_alignment(scene(), half) == pytest.approx(
        float(losses.gradient_alignment(scene(), flat)) / 2, rel=0.1
    )


def test_gradient_alignment_asks_nothing_where_the_source_has_no_edges() -> None:
    assert losses.gradient_alignment(torch.full_like(scene(), 0.5), scene()) == 0


def test_gradient_alignment_leads_back_to_the_edges() -> None:
    faint = (0.5 + 0.02 * (scene() - 0.5)).requires_grad_()
    losses.gradient_alignment(scene(), faint).backward()
    assert faint.grad is not None
    more = faint.detach() - 0.05 * faint.grad.sign()
    assert losses.gradient_alignment(scene(), more) < losses.gradient_alignment(scene(), faint)


def test_relativistic_loss_wants_a_lead_of_one() -> None:
    ahead, behind = [torch.full((2, 5), 3.0)], [torch.full((2, 5), 2.0)]
    assert losses.relativistic(ahead, behind) == 0
    assert losses.relativistic(behind, behind) == 2
    assert losses.relativistic(behind, ahead) == 8


def test_dissimilarity_and_cycle_are_zero_for_the_image_itself() -> None:
    noise = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    for loss in (losses.dissimilarity, losses.cycle):
        assert loss(scene(), scene()) == pytest.approx(0, abs=1e-5)
        assert loss(scene(), noise) > 10 * loss(scene(), scene() + 0.01)
    assert losses.dissimilarity(scene(), noise) == pytest.approx(1, abs=0.2)


def test_variation_counts_steps() -> None:
    image = torch.zeros(1, 1, 4, 5)
    image[..., 2:] = 1
    assert losses.variation(image) == pytest.approx(1 / 4)


def test_only_aligned_pairs_supervise() -> None:
    """And a pixel of misalignment costs far less than the wrong temperature."""
    wrong = torch.stack([scene()[0], 1 - scene()[0]])
    first, both = torch.tensor([True, False]), torch.tensor([True, True])
    assert losses.supervision(wrong, scene(), first) == 0
    assert losses.supervision(wrong, scene(), both) > 0.05
    assert losses.supervision(wrong, scene(), ~both) == 0
    shifted = losses.supervision(scene(shift=1), scene(), both)
    assert shifted < 0.1 * losses.supervision(1 - scene(), scene(), both)
