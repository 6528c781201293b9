"""Two views of one image are related by the homography and the lenses that the batch says."""

from dataclasses import replace

import pytest
import torch

from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.views import (
    TrueMapping,
    ViewRange,
    apply,
    distort,
    draw_poses,
    thermal_quads,
    undistort,
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


def coordinates() -> torch.Tensor:
    """Eight images whose two channels say where a pixel is, x and y."""
    rows, columns = torch.meshgrid(torch.arange(IMAGE[0]), torch.arange(IMAGE[1]), indexing="ij")
    return torch.stack([columns, rows]).float().expand(8, -1, -1, -1)


def test_both_views_show_one_place_where_the_mapping_says() -> None:
    chance, aspect = draw(), torch.full((8,), 1.3)
    poses = draw_poses(chance, [replace(RANGE, distortion=0.15, shear=0.08)])
    assert poses.lenses.abs().max() > 0.05 and poses.shear.abs().max() > 0.02
    visible = visible_quads(chance, aspect, (0.6, 1.0))
    from_visible = view_to_image(visible, aspect, VIEW, IMAGE)
    from_thermal = view_to_image(thermal_quads(chance, visible, poses), aspect, VIEW, IMAGE)
    mapping = TrueMapping(torch.linalg.solve(from_visible, from_thermal), poses.lenses, VIEW)
    seen = warp(coordinates(), from_visible, VIEW, poses.lenses[:, 0])
    other = warp(coordinates(), from_thermal, VIEW, poses.lenses[:, 1])

    checked = 0
    for column, row in ((40, 20), (80, 55), (15, 50)):
        point = torch.tensor([[[float(column), float(row)]]]).expand(8, 1, 2)
        there = mapping.to_visible(point)
        torch.testing.assert_close(mapping.to_thermal(there), point, atol=1e-2, rtol=0)
        place = torch.nn.functional.grid_sample(
            seen, (there[:, None] + 0.5) / torch.tensor([VIEW[1], VIEW[0]]) * 2 - 1, align_corners=False
        )[..., 0, 0]
        expected = other[:, :, row, column]
        # Where both look at the image, away from its rim, which fades to 0.
        size = torch.tensor([IMAGE[1], IMAGE[0]])
        inner = ((expected > 4) & (expected < size - 5) & (place > 4) & (place < size - 5)).all(dim=1)
        inner &= ((there[:, 0] > 1) & (there[:, 0] < torch.tensor([VIEW[1], VIEW[0]]) - 2)).all(dim=1)
        torch.testing.assert_close(place[inner], expected[inner], atol=0.15, rtol=0)
        checked += int(inner.sum())
    assert checked >= 8


@pytest.mark.parametrize("lens", [-0.15, 0.1])
def test_distortion_is_undone_and_moves_the_corners_by_as_much_as_it_says(lens: float) -> None:
    corners = torch.tensor([[[-0.5, -0.5], [95.5, 63.5], [47.5, 31.5]]])
    straight = undistort(corners, torch.tensor([lens]), VIEW)
    torch.testing.assert_close(distort(straight, torch.tensor([lens]), VIEW), corners, atol=1e-3, rtol=0)
    centre = torch.tensor([47.5, 31.5])
    factor = (straight - centre).norm(dim=2)[0, :2] / (corners - centre).norm(dim=2)[0, :2]
    torch.testing.assert_close(factor, torch.full((2,), 1 / (1 + lens)))
    torch.testing.assert_close(straight[0, 2], centre)


def test_a_view_averages_what_it_shrinks() -> None:
    stripes = (torch.arange(192) % 2).float().expand(1, 1, 128, -1)
    view = warp(stripes, torch.diag(torch.tensor([2.0, 2, 1]))[None], VIEW)
    torch.testing.assert_close(view[..., 1:-1, 1:-1], torch.full((1, 1, 62, 94), 0.5), atol=1e-3, rtol=0)


def test_thermal_views_keep_to_their_range() -> None:
    chance = draw(64)
    visible = torch.tensor([(-0.8, -0.5), (0.8, -0.5), (0.8, 0.5), (-0.8, 0.5)]).expand(64, -1, -1)
    straight = ViewRange(side=(0.5, 0.7), rotation=0, shift=0.0, jitter=0.0, weight=1.0)
    quads = thermal_quads(chance, visible, draw_poses(chance, [straight]))
    area = (quads[:, 2] - quads[:, 0]).prod(dim=1) / 1.6
    assert area.min() >= 0.25 - 1e-4
    assert area.max() <= 0.49 + 1e-4


def test_a_thermal_camera_that_sees_more_still_looks_at_the_image() -> None:
    chance, aspect = draw(64), torch.full((64,), 1.25)
    wide = ViewRange(side=(1.5, 2.0), rotation=0, shift=0.0, jitter=0.0, weight=1.0)
    poses = draw_poses(chance, [wide])
    quads = thermal_quads(chance, visible_quads(chance, aspect, (0.6, 0.9), poses.side), poses)
    # Its own aspect may take it past the rim by an eighth.
    assert (quads[..., 1].abs() < 0.5 * 1.13).all()
    assert ((quads[:, 2, 1] - quads[:, 1, 1]) > 0.6 * 0.9 / 1.13).all()
