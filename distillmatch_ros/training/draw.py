"""Random numbers of a batch as a pure function of seed, step and rank."""

import torch
from torch import Tensor


class Draw:
    """Draws one value per image of a batch, from its own generator.

    A step repeated after a restart draws the same values without a stored generator state.
    """

    def __init__(self, batch: int, seed: tuple[int, ...], device: torch.device) -> None:
        """Seed with any tuple of integers, such as (seed, step, rank)."""
        self.batch = batch
        self.device = device
        self.generator = torch.Generator(device).manual_seed(hash(seed) % 2**63)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """float32 (B, *shape), or (B, 1, 1, 1) without a shape."""
        size = (self.batch, *(shape or (1, 1, 1)))
        return torch.rand(size, generator=self.generator, device=self.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32 (B, *shape), or (B, 1, 1, 1) without a shape."""
        size = (self.batch, *(shape or (1, 1, 1)))
        return torch.randn(size, generator=self.generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """bool of the same shapes as `uniform`, true with the given probability."""
        return self.uniform(0, 1, *shape) < probability

    def index(self, count: int, size: int) -> Tensor:
        """``size`` int64 indices below ``count``, with replacement."""
        return torch.randint(count, (size,), generator=self.generator, device=self.device)

    def choice(self, weights: Tensor) -> Tensor:
        """Draw indices int64 (B,) with probability proportional to ``weights``, sorted ascending."""
        weights = weights.to(self.device)
        return torch.multinomial(weights, self.batch, True, generator=self.generator).sort().values
