"""Augmentation changes values, never places, and stays in range."""

import pytest
import torch

from distillmatch_ros.training import photometric
from distillmatch_ros.training.draw import Draw


def draw(seed: int = 0) -> Draw:
    return Draw(6, (seed,), torch.device("cpu"))


def step_edge() -> torch.Tensor:
    image = torch.full((6, 3, 64, 96), 0.2)
    image[..., 40:] = torch.tensor([0.8, 0.6, 0.9])[:, None, None]
    return image


@pytest.mark.parametrize("seed", range(8))
def test_pseudo_thermal_keeps_edges_where_they_are(seed: int) -> None:
    thermal = photometric.pseudo_thermal(draw(seed), step_edge())
    assert thermal.shape == (6, 1, 64, 96)
    assert thermal.min() >= 0
    assert thermal.max() <= 1
    across = (thermal[..., 1:] - thermal[..., :-1]).abs().mean(dim=(1, 2))
    strong = across.amax(dim=1) > 0.1
    assert strong.any()
    assert (across[strong].argmax(dim=1) == 39).all()


@pytest.mark.parametrize("seed", range(4))
def test_faults_stay_in_range_and_differ_between_images(seed: int) -> None:
    grey = step_edge()[:, :1]
    for faults in (photometric.thermal_faults, photometric.visible_faults):
        out = faults(draw(seed), grey)
        assert out.shape == grey.shape
        assert torch.isfinite(out).all()
        assert out.min() >= 0
        assert out.max() <= 1
        assert not torch.allclose(out[0], out[1])


def test_flattening_removes_texture_and_keeps_the_edge() -> None:
    generator = torch.Generator().manual_seed(0)
    textured = step_edge()[:, :1] + 0.03 * torch.randn(6, 1, 64, 96, generator=generator)
    flat = photometric.flatten_texture(draw(3), textured)
    assert flat[..., 8:32].std() < textured[..., 8:32].std()
    assert (flat[..., 60:].mean() - flat[..., :20].mean()) > 0.4


def test_random_grey_parts_colours_of_equal_brightness() -> None:
    image = torch.zeros(6, 3, 8, 8)
    image[:, 0, :, :4] = 0.6
    image[:, 1, :, 4:] = 0.6
    grey = photometric.random_grey(draw(), image)
    assert ((grey[..., 0] - grey[..., -1]).abs() > 0.02).any()


def test_a_coarse_sensor_loses_stripes_and_keeps_places() -> None:
    stripes = (torch.arange(96) % 2).float().expand(6, 1, 64, -1)
    assert photometric.coarse_sensor(draw(), stripes, 1.0).std() < 0.1
    coarse = photometric.coarse_sensor(draw(), step_edge()[:, :1], 1.0)
    assert ((coarse[..., :34] - 0.2).abs() < 0.02).all() and ((coarse[..., 46:] - 0.63).abs() < 0.2).all()
    torch.testing.assert_close(photometric.coarse_sensor(draw(), stripes, 0.0), stripes)
