"""Attention between token sets, and position encodings."""

import math

import torch
from torch import Tensor, nn


def position_encoding(width: int, rows: int, columns: int) -> Tensor:
    """Sine and cosine of row and column at geometric wavelengths (2-D encoding of LoFTR).

    Args:
        width: channels, a multiple of 4.
        rows: rows of the grid.
        columns: columns of the grid.

    Returns:
        float32 (1, width, rows, columns).
    """
    frequency = torch.exp(torch.arange(0, width // 2, 2).float() * (-math.log(10000.0) / (width // 2)))
    y = torch.arange(rows).float()[:, None, None] * frequency
    x = torch.arange(columns).float()[None, :, None] * frequency
    y, x = y.expand(rows, columns, -1), x.expand(rows, columns, -1)
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=-1).permute(2, 0, 1)[None]


class PositionEncoding(nn.Module):
    """Adds position encodings to features.

    A smaller image uses a part of the table: the upper left one, in training a random one, so that all
    positions of the full image are trained with small views too.
    """

    table: Tensor

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("table", position_encoding(width, *grid), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Add the encodings to features (B, width, h, w), at most as large as the grid; the same shape."""
        rows, columns = features.shape[-2:]
        top = left = 0
        if self.training:
            spare_rows, spare_columns = self.table.shape[2] - rows, self.table.shape[3] - columns
            top, left = (int(torch.randint(spare + 1, ())) for spare in (spare_rows, spare_columns))
        return features + self.table[..., top : top + rows, left : left + columns]


def to_tokens(features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h*w, C)."""
    return features.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, like: Tensor) -> Tensor:
    """(B, h*w, C) -> (B, C, h, w) with the h and w of ``like``."""
    features: Tensor = tokens.transpose(1, 2).unflatten(2, like.shape[-2:])
    return features


def partner(stack: Tensor) -> Tensor:
    """Swap the halves of a stack (2B, ...) with visible images first: features of each image's partner."""
    return torch.cat(stack.chunk(2)[::-1])


class Attention(nn.Module):
    """Multi-head attention of one token set to another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Tokens (B, N, C) attend to a source (B, M, C); returns (B, N, C)."""
        query = self.query(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(source).chunk(2, dim=2)
        key = key.unflatten(2, (self.heads, -1)).transpose(1, 2)
        value = value.unflatten(2, (self.heads, -1)).transpose(1, 2)
        # Plain matrix products: on a CPU a quarter faster to train than fused attention at this size.
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)).softmax(dim=-1)
        mixed = weights @ value
        attended: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return attended


class TransformerLayer(nn.Module):
    """Pre-norm attention and a two-layer perceptron, both residual. Self-attention without a ``source``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, tokens: Tensor, source: Tensor | None = None) -> Tensor:
        """Tokens (B, N, C) attend to themselves or to a source (B, M, C); returns (B, N, C)."""
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed if source is None else self.norm(source))
        updated: Tensor = tokens + self.perceptron(tokens)
        return updated
