"""Coarse matching on the 1/8 grid: attention within and across the images, dual softmax (paper, CMM)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.attention import Attention, PositionEncoding, partner, to_map, to_tokens


class CoarseLayer(nn.Module):
    """Attention on a pooled grid, its message brought back to the full one.

    A message says what lies where in the scene and is smooth; the position stays with the features
    themselves, so a grid ``stride`` times coarser costs little and saves ``stride``^4 of the attention.
    """

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.fusion = nn.Sequential(
            nn.Conv2d(2 * width, width, 1), nn.GroupNorm(1, width), nn.GELU(), nn.Conv2d(width, width, 1)
        )

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        """(B, C, h, w) attends to (B, C, h, w); gives (B, C, h, w)."""
        pooled = F.avg_pool2d(features, self.stride)
        pooled_source = F.avg_pool2d(source, self.stride)
        mixed = self.attention(self.norm(to_tokens(pooled)), self.norm(to_tokens(pooled_source)))
        message = F.interpolate(to_map(mixed, pooled), scale_factor=float(self.stride), mode="bilinear")
        updated: Tensor = features + self.fusion(torch.cat([features, message], dim=1))
        return updated


class CoarseTransformer(nn.Module):
    """Rounds of self- and cross-attention; the layers are shared by both images."""

    def __init__(self, width: int, layers: int, heads: int, stride: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.position = PositionEncoding(width, grid)
        self.self_layers = nn.ModuleList(CoarseLayer(width, heads, stride) for _ in range(layers))
        self.cross_layers = nn.ModuleList(CoarseLayer(width, heads, stride) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """(2B, C, h, w), visible images first -> descriptors (2B, h*w, C)."""
        features = self.position(features)
        for self_layer, cross_layer in zip(self.self_layers, self.cross_layers, strict=True):
            features = self_layer(features, features)
            features = cross_layer(features, partner(features))
        description: Tensor = self.projection(self.norm(to_tokens(features)))
        return description


def similarity(visible: Tensor, thermal: Tensor, temperature: float) -> Tensor:
    """Scaled inner products in float32, (B, N, C) and (B, M, C) -> (B, N, M)."""
    scale = 1 / (visible.shape[-1] * temperature)
    return (visible.float() @ thermal.float().transpose(-2, -1)).float() * scale


def log_dual_softmax(scores: Tensor) -> Tensor:
    """Logarithm of the dual softmax: softmax over the rows times softmax over the columns, (..., N, M)."""
    return 2 * scores - scores.logsumexp(-1, keepdim=True) - scores.logsumexp(-2, keepdim=True)


def dual_softmax(scores: Tensor) -> Tensor:
    """Softmax over the rows times softmax over the columns, float32 (B, N, M), with one exponential for both.

    Two softmaxes cost a quarter more in ONNX Runtime, which transposes for the second. Both are shifted by
    the largest score: a row or column that stays more than 87 below it underflows, and then matches nothing.
    The best scores of rows and columns lie within 20 of each other.
    """
    exponential = (scores - scores.amax(dim=(1, 2), keepdim=True)).exp()
    smallest = torch.finfo(exponential.dtype).tiny
    rows, columns = (exponential.sum(dim=dim, keepdim=True).clamp(min=smallest) for dim in (2, 1))
    return (exponential / rows) * (exponential / columns)


class CoarseMatches(NamedTuple):
    """The K best mutual matches.

    Attributes:
        visible_cells: int64 (B, K), index into the flattened 1/8 grid.
        thermal_cells: int64 (B, K).
        confidence: float32 (B, K), 0 in an empty place.
    """

    visible_cells: Tensor
    thermal_cells: Tensor
    confidence: Tensor


def mutual_matches(scores: Tensor, inside: Tensor, max_matches: int, threshold: float) -> CoarseMatches:
    """Dual softmax, mutual maximum, threshold, the ``max_matches`` best.

    Args:
        scores: float32 (B, N, N) similarity, visible by thermal.
        inside: bool (N,), false where a cell lies in the border that never matches.
    """
    confidence = dual_softmax(scores)
    best, thermal_cells = confidence.max(dim=2)
    mutual = best == confidence.amax(dim=1).gather(1, thermal_cells)
    accepted = mutual & (best > threshold) & inside & inside[thermal_cells]
    top, visible_cells = (best * accepted).topk(max_matches, dim=1)
    return CoarseMatches(visible_cells, thermal_cells.gather(1, visible_cells), top)
