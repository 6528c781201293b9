"""Two views of one image are related by the homography that the batch says."""

import torch

from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.views import (
    ViewRange,
    apply,
    thermal_quads,
    view_to_image,
    visible_quads,
    warp,
)

IMAGE, VIEW = (88, 112), (64, 96)
RANGE = ViewRange(side=(0.6, 0.9), rotation=20, shift=0.1, jitter=0.05, weight=1.0)


def draw(batch: int = 8, seed: int = 0) -> Draw:
    return Draw(batch, (seed,), torch.device("cpu"))


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    assert torch.equal(draw().uniform(0, 1), draw().uniform(0, 1))
    assert not torch.equal(draw().uniform(0, 1), draw(seed=1).uniform(0, 1))


def test_the_whole_image_fills_the_view() -> None:
    aspect = torch.tensor([1.6])
    quads = torch.tensor([[(-0.8, -0.5), (0.8, -0.5), (0.8, 0.5), (-0.8, 0.5)]])
    homography = view_to_image(quads, aspect, VIEW, IMAGE)
    outer = torch.tensor([[[-0.5, -0.5], [95.5, 63.5]]])
    torch.testing.assert_close(
        apply(homography, outer), torch.tensor([[[-0.5, -0.5], [111.5, 87.5]]]), atol=1e-4, rtol=0
    )


def test_a_warped_view_shows_what_the_homography_says() -> None:
    rows, columns = torch.meshgrid(torch.arange(IMAGE[0]), torch.arange(IMAGE[1]), indexing="ij")
    coordinates = torch.stack([columns, rows]).float().expand(8, -1, -1, -1)
    chance = draw()
    aspect = torch.full((8,), 1.3)
    quads = thermal_quads(chance, visible_quads(chance, aspect, (0.6, 1.0)), [RANGE])
    homography = view_to_image(quads, aspect, VIEW, IMAGE)
    view = warp(coordinates, homography, VIEW)
    point = torch.tensor([[[40.0, 20.0]]]).expand(8, 1, 2)
    expected = apply(homography, point)[:, 0]
    inside = ((expected > 1) & (expected < torch.tensor([IMAGE[1] - 2, IMAGE[0] - 2]))).all(dim=1)
    assert inside.sum() >= 4
    torch.testing.assert_close(view[inside, :, 20, 40], expected[inside], atol=1e-2, rtol=0)


def test_thermal_views_keep_to_their_range() -> None:
    chance = draw(64)
    visible = torch.tensor([(-0.8, -0.5), (0.8, -0.5), (0.8, 0.5), (-0.8, 0.5)]).expand(64, -1, -1)
    straight = ViewRange(side=(0.5, 0.7), rotation=0, shift=0.0, jitter=0.0, weight=1.0)
    quads = thermal_quads(chance, visible, [straight])
    area = (quads[:, 2] - quads[:, 0]).prod(dim=1) / 1.6
    assert area.min() >= 0.25 - 1e-4
    assert area.max() <= 0.49 + 1e-4
