"""Ground truth against homographies that can be worked out by hand."""

import torch

from distillmatch_ros.training.ground_truth import Cells, coarse_cells, fine_pixels
from distillmatch_ros.training.losses import choose_cells, focal, transfer_error
from distillmatch_ros.training.views import TrueMapping


def masks() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(1, 1, 64, 96), torch.ones(1, 1, 64, 96)


def mapping(homography: torch.Tensor, visible_lens: float = 0, thermal_lens: float = 0) -> TrueMapping:
    lenses = torch.tensor([[visible_lens, thermal_lens]]).expand(len(homography), 2)
    return TrueMapping(homography, lenses, (64, 96))


def shift(x: float, y: float, pairs: int = 1) -> TrueMapping:
    return mapping(torch.tensor([[[1, 0, x], [0, 1, y], [0, 0, 1.0]]]).repeat(pairs, 1, 1))


def test_identity_matches_every_cell_with_itself() -> None:
    cells = coarse_cells(shift(0, 0), *masks())
    assert torch.equal(cells.visible, cells.thermal)
    assert len(cells.pair) == 8 * 12


def test_a_shift_by_two_cells() -> None:
    cells = coarse_cells(shift(16, 8), *masks())
    assert torch.equal(cells.visible, cells.thermal + 12 + 2)
    assert len(cells.pair) == 7 * 10


def test_matches_follow_the_lens() -> None:
    barrel = mapping(torch.eye(3)[None], visible_lens=-0.15)
    cells = coarse_cells(barrel, *masks())
    assert (cells.visible != cells.thermal).any()
    there = (
        barrel.to_visible(8.0 * torch.stack([cells.thermal % 12, cells.thermal // 12], dim=1)[None])[0] / 8
    )
    found = torch.stack([cells.visible % 12, cells.visible // 12], dim=1)
    assert (found - there).abs().max() <= 0.5


def test_matches_are_one_to_one_under_scale() -> None:
    cells = coarse_cells(mapping(torch.diag(torch.tensor([0.5, 0.5, 1]))[None]), *masks())
    assert len(cells.visible.unique()) == len(cells.visible) == len(cells.thermal.unique()) == 4 * 6


def test_cells_that_show_nothing_do_not_match() -> None:
    visible, thermal = masks()
    thermal[..., :, 48:] = 0
    visible[..., 32:, :] = 0
    cells = coarse_cells(shift(0, 0), visible, thermal)
    assert (cells.thermal % 12).max() < 6
    assert (cells.visible // 12).max() < 4


def test_a_cell_behind_the_horizon_does_not_match() -> None:
    horizon = torch.tensor([[[1, 0, 0], [0, 1, 0], [0.05, 0, -1.0]]])
    cells = coarse_cells(mapping(horizon), *masks())
    assert (cells.visible >= 0).all()


def test_autocast_leaves_the_maps_in_float32() -> None:
    turned = mapping(torch.tensor([[[0.9, 0.2, 40.3], [-0.2, 0.9, 21.7], [2e-4, 1e-4, 1]]]), -0.1, 0.05)
    points = torch.rand(1, 100, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([320.0, 256])
    expected = turned.to_visible(points), turned.to_thermal(points)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close((turned.to_visible(points), turned.to_thermal(points)), expected)


def test_fine_pixels_of_a_shift_by_one_pixel_of_the_window() -> None:
    cells = torch.tensor([[13]])
    positive = fine_pixels(shift(2, 0), cells, cells, 12)[0, 0]
    visible, thermal = positive.nonzero(as_tuple=True)
    assert torch.equal(visible % 5, thermal % 5 + 1)
    assert len(visible) == 20


def test_transfer_error_is_the_mean_of_both_directions() -> None:
    zoom = mapping(torch.diag(torch.tensor([2.0, 2, 1]))[None])
    error = transfer_error(zoom, torch.tensor([[[10.0, 0]]]), torch.tensor([[[4.0, 0]]]))
    torch.testing.assert_close(error, torch.tensor([[1.5]]))


def test_focal_forgives_what_is_certain() -> None:
    log_confidence = torch.tensor([0.1]).log()
    torch.testing.assert_close(focal(log_confidence, 0.0), -log_confidence[0])
    assert focal(torch.tensor([0.9]).log(), 2.0) < 0.02 * focal(torch.tensor([0.5]).log(), 2.0) * 5
    assert focal(torch.zeros(0), 2.0) == 0


def test_choose_cells_pads_pairs_that_have_too_few() -> None:
    cells = coarse_cells(shift(64, 32, pairs=2), *(mask.repeat(2, 1, 1, 1) for mask in masks()))
    visible, _, chosen = choose_cells(cells, 2, 100)
    assert visible.shape == (2, 100)
    assert chosen.sum(dim=1).tolist() == [4 * 4, 4 * 4]


def test_choose_cells_spreads_over_each_pair() -> None:
    cells = coarse_cells(shift(0, 0, pairs=3), *(mask.repeat(3, 1, 1, 1) for mask in masks()))
    cells = Cells(*(part[cells.pair != 1] for part in cells))
    visible, thermal, chosen = choose_cells(cells, 3, 20)
    assert chosen.sum(dim=1).tolist() == [20, 0, 20]
    assert torch.equal(visible, thermal)
    for pair in (0, 2):
        assert visible[pair, 0] == 0 and visible[pair, -1] == 8 * 12 - 1
        assert len(visible[pair].unique()) == 20
