"""The measures tell good translations from bad ones."""

from pathlib import Path

import pytest
import torch

from distillmatch_ros.training.gan.measures import (
    COLUMNS,
    edge_agreement,
    histogram_distance,
    kernel_distance,
    measure,
)


def squares(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    image = torch.full((1, 1, 64, 96), 0.5)
    for _ in range(25):
        y, x = (int(torch.randint(high, (), generator=generator)) for high in (58, 88))
        image[..., y : y + 8, x : x + 10] = torch.rand((), generator=generator)
    return image


def test_edges_agree_whatever_their_sign() -> None:
    image = squares(0)
    assert edge_agreement(image, image) > 0.97
    assert edge_agreement(image, 0.7 - 0.5 * image) > 0.95
    assert edge_agreement(image, squares(1)) < 0.6
    assert edge_agreement(image, torch.full_like(image, 0.4)) < 1e-6


def test_histograms_are_apart_by_grey_levels() -> None:
    image = squares(0) * 0.5
    assert histogram_distance(image, image.flip(3)) == pytest.approx(0, abs=1e-3)
    assert histogram_distance(image, image + 0.1) == pytest.approx(25.5, abs=0.1)


def test_kernel_distance_grows_with_what_tells_samples_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(400, 8, generator=generator) for _ in range(2))
    assert abs(kernel_distance(first, second)) < 0.05
    assert kernel_distance(first, second + 0.5) > 0.1
    assert kernel_distance(first, second + 1) > kernel_distance(first, second + 0.5)


@pytest.mark.slow
def test_the_table_compares_all_ways_to_a_thermal_image(gan: Path, pairs_folder: Path) -> None:
    measured = measure(gan, pairs_folder)
    by_name = {figures.method: figures for figures in measured.figures}
    assert list(by_name) == ["grey", "cosine curve", "random curves", "V2I-GAN", "real thermal"]
    # Each is measured beside its own source, and the pictures were enlarged, which leaves soft edges.
    assert by_name["grey"].visible_edges > 0.85
    assert by_name["real thermal"].thermal_edges > 0.85
    assert by_name["V2I-GAN"].visible_edges < 0.8
    assert by_name["real thermal"].histogram == 0
    assert by_name["real thermal"].ssim == pytest.approx(1)
    assert by_name["real thermal"].kid is None
    assert all(figures.kid is not None for name, figures in by_name.items() if name != "real thermal")
    assert measured.record() == measure(gan, pairs_folder).record()
    table = measured.to_markdown().splitlines()
    assert "4 pairs; V2I-GAN after 7 steps" in table[0]
    assert table[2] == "| " + " | ".join(COLUMNS) + " |"
    assert sum(line.startswith("| ") for line in table) == 6
