"""The arithmetic of matching: windows, dual softmax, mutual maxima, coordinates."""

import pytest
import torch

from distillmatch_ros.model.coarse import dual_softmax, log_dual_softmax, mutual_matches
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.fine import gather_windows, quarter_to_half, window_index
from distillmatch_ros.model.network import DistillMatch, grid_points


def test_log_dual_softmax_is_the_product_of_both() -> None:
    scores = torch.randn(2, 5, 7)
    expected = scores.softmax(1) * scores.softmax(2)
    torch.testing.assert_close(log_dual_softmax(scores).exp(), expected)


def test_dual_softmax_is_the_product_of_both_and_survives_a_hopeless_row() -> None:
    scores = 10 * torch.randn(2, 5, 7)
    torch.testing.assert_close(dual_softmax(scores), scores.softmax(1) * scores.softmax(2))
    scores[0, 3] = -500.0
    hopeless = dual_softmax(scores)
    assert hopeless.isfinite().all() and (hopeless[0, 3] == 0).all()


def test_mutual_matches_are_the_mutual_maxima() -> None:
    scores = torch.full((1, 6, 6), -20.0)
    for visible, thermal in ((0, 3), (1, 1), (4, 2)):
        scores[0, visible, thermal] = 20
    # 5 prefers 3, which prefers 0.
    scores[0, 5, 3] = 10
    matches = mutual_matches(scores, torch.ones(6, dtype=torch.bool), max_matches=6, threshold=0.2)
    found = {
        (int(v), int(t))
        for v, t, c in zip(
            matches.visible_cells[0], matches.thermal_cells[0], matches.confidence[0], strict=True
        )
        if c > 0
    }
    assert found == {(0, 3), (1, 1), (4, 2)}


def test_cells_outside_never_match() -> None:
    scores = 20 * torch.eye(6)[None]
    inside = torch.tensor([False, True, True, True, True, False])
    matches = mutual_matches(scores, inside, max_matches=6, threshold=0.2)
    assert set(matches.visible_cells[matches.confidence > 0].tolist()) == {1, 2, 3, 4}


def test_windows_are_centred_on_their_cell() -> None:
    rows, columns = 32, 48
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    coordinates = torch.stack([x, y])[None].float()
    cells = torch.tensor([[13]])  # column 1, row 1 of a 12-column grid
    window = gather_windows(coordinates, window_index(cells, 12, 4, 5, (rows, columns)))[0, 0]
    assert window[12].tolist() == [4, 4]
    assert window[0].tolist() == [2, 2]
    assert window[-1].tolist() == [6, 6]


def test_windows_at_the_rim_are_clamped() -> None:
    index = window_index(torch.tensor([[0]]), 12, 4, 5, (32, 48))
    assert index.min() == 0
    assert index.max() < 32 * 48


def test_upsampling_of_a_window_is_bilinear() -> None:
    plane = torch.tensor([[3.0 * y + x for x in (-4, 0, 4)] for y in (-4, 0, 4)]).flatten()
    expected = torch.tensor([[3.0 * y + x for x in (-4, -2, 0, 2, 4)] for y in (-4, -2, 0, 2, 4)]).flatten()
    torch.testing.assert_close(quarter_to_half() @ plane, expected)


def test_grid_points_are_column_and_row() -> None:
    assert grid_points(torch.tensor([0, 13]), 12).tolist() == [[0, 0], [1, 1]]


def test_network_answers_as_the_engine_contract_says(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = DistillMatch(tiny_config).eval()
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        visible, thermal, confidence = network(image, image.flip(3))
    assert visible.shape == thermal.shape == (1, 16, 2)
    assert confidence.shape == (1, 16)
    assert {x.dtype for x in (visible, thermal, confidence)} == {torch.float32}
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_points_stay_within_reach_of_their_cell(tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = DistillMatch(tiny_config).eval()
    image = torch.rand(1, 1, 64, 96)
    cells = torch.arange(20, 28)[None]
    with torch.no_grad():
        fine = network.refine(network.describe(image, image), cells, cells)
    centres = grid_points(cells, 12) * 8
    # Two cells of the 1/2 grid and half a cell of offset, in network pixels.
    assert (fine.visible_points - centres).abs().max() <= 5
    assert (fine.thermal_points - centres).abs().max() <= 5


@pytest.mark.parametrize("bad", [0.0, 1.0])
def test_a_blank_image_gives_finite_points(tiny_config: ModelConfig, bad: float) -> None:
    torch.manual_seed(0)
    network = DistillMatch(tiny_config).eval()
    blank = torch.full((1, 1, 64, 96), bad)
    with torch.no_grad():
        outputs = network(blank, torch.rand(1, 1, 64, 96))
    assert all(torch.isfinite(out).all() for out in outputs)
