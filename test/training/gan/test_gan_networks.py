"""Generators, discriminators, semantic features, and the pool of past translations."""

from pathlib import Path

import pytest
import torch

from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.gan.config import GeneratorConfig
from distillmatch_ros.training.gan.discriminator import Discriminator, Pool
from distillmatch_ros.training.gan.generator import Generator
from distillmatch_ros.training.gan.semantics import Semantics, StudentBranch

CPU = torch.device("cpu")


@pytest.fixture
def branch(student: Path) -> StudentBranch:
    return StudentBranch.of(Weights.load(student))


@pytest.mark.parametrize("size", [(64, 96), (72, 88)])
def test_a_translation_has_the_images_size_and_range(
    generator_config: GeneratorConfig, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    generator = Generator(3, 1, 32, generator_config)
    image = torch.rand(2, 3, *size)
    thermal = generator(image, torch.randn(2, 32, 4, 6))
    assert thermal.shape == (2, 1, *size)
    assert 0 <= thermal.min() < thermal.max() <= 1
    # What is where, not only what it looks like, decides.
    assert not torch.allclose(thermal, generator(image, torch.randn(2, 32, 4, 6)), atol=1e-4)


def test_semantic_features_are_those_of_the_trained_network(student: Path, branch: StudentBranch) -> None:
    network = Weights.load(student).network()
    image = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        expected = network.describe(image[:1], image[1:]).semantic
    torch.testing.assert_close(branch(image), expected, atol=1e-5, rtol=1e-4)


def test_semantic_features_stay_as_they_are(branch: StudentBranch) -> None:
    image = torch.rand(2, 3, 64, 96, requires_grad=True)
    branch.train()
    assert not any(module.training for module in branch.modules())
    features = branch(image)
    assert not features.requires_grad
    again = Semantics.from_dict(branch.to_dict(), "a file")
    assert torch.equal(again(image), features)


def test_a_large_image_is_looked_at_in_the_networks_size(branch: StudentBranch) -> None:
    assert branch(torch.rand(1, 3, 352, 448)).shape == (1, 32, 4, 6)
    assert branch(torch.rand(1, 3, 40, 72)).shape == (1, 32, 2, 4)


def test_a_foundation_model_can_say_what_is_where(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "dino")
    foundation = Semantics.open(str(tmp_path / "dino"))
    features = foundation(torch.rand(1, 3, 64, 96))
    assert features.shape == (1, foundation.width, 16, 20) == (1, 32, 16, 20)
    assert features.dtype == torch.float32
    again = Semantics.from_dict(foundation.to_dict(), "a file")
    assert again.width == 32


def test_every_discriminator_looks_in_its_own_way() -> None:
    """Fine texture changes grey and gradient, and hardly the blurred colours; a tint those alone."""
    torch.manual_seed(0)
    judge = Discriminator(3, 8).eval()
    image = torch.full((1, 3, 64, 96), 0.5)
    textured = image + 0.1 * (-1.0) ** torch.arange(96)
    tinted = image + torch.tensor([0.2, -0.1, -0.1])[:, None, None]

    def moved(other: torch.Tensor) -> list[float]:
        with torch.no_grad():
            return [float((a - b).abs().mean()) for a, b in zip(judge(image), judge(other), strict=True)]

    colour, grey, gradient = moved(textured)
    assert colour < 0.3 * min(grey, gradient)
    colour, grey, gradient = moved(tinted)
    assert max(grey, gradient) < 0.01 * colour


def test_a_pool_first_fills_and_then_gives_back_what_it_kept() -> None:
    pool = Pool(4, 1, (2, 2), CPU)

    def exchanged(step: int) -> list[int]:
        fresh = torch.stack([torch.full((1, 2, 2), float(2 * step + i)) for i in range(2)])
        return [int(image.mean()) for image in pool.exchange(Draw(2, (step,), CPU), fresh)]

    assert exchanged(0) == [0, 1]
    assert exchanged(1) == [2, 3]
    given = [exchanged(step) for step in range(2, 40)]
    assert len(pool.images) == 4
    old = sum(image < 2 * step for step, images in enumerate(given, start=2) for image in images)
    assert 20 < old < 56  # about half of 76
    everything = [0, 1, 2, 3, *(image for images in given for image in images)]
    assert set(everything) <= set(range(80))


def test_no_pool_gives_back_what_is_fresh() -> None:
    fresh = torch.rand(2, 1, 2, 2)
    assert torch.equal(Pool(0, 1, (2, 2), CPU).exchange(Draw(2, (0,), CPU), fresh), fresh)
