"""Coarse matching on the 1/8 grid: attention within and across the images, dual softmax (paper, CMM)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.attention import Attention, PositionEncoding, partner, to_map, to_tokens


class CoarseLayer(nn.Module):
    """Attention on a pooled grid; the message is upsampled to the full grid.

    Messages describe the scene's layout and are smooth, while positions are in the features themselves:
    a grid ``stride`` times coarser costs little accuracy and reduces the attention by ``stride``^4.
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
        """Features (B, C, h, w) attend to a source (B, C, h, w); returns (B, C, h, w)."""
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
    """Scaled inner products in float32, under autocast too, (B, N, C) and (B, M, C) -> (B, N, M)."""
    scale = 1 / (visible.shape[-1] * temperature)
    with torch.autocast(visible.device.type, enabled=False):
        return visible.float() @ thermal.float().transpose(-2, -1) * scale


def log_dual_softmax(scores: Tensor) -> Tensor:
    """Logarithm of the dual softmax (softmax over rows times softmax over columns), (..., N, M)."""
    return 2 * scores - scores.logsumexp(-1, keepdim=True) - scores.logsumexp(-2, keepdim=True)


def dual_softmax(scores: Tensor) -> Tensor:
    """Softmax over rows times softmax over columns, float32 (B, N, M), with a common exponential.

    Two separate softmaxes take a quarter more time in ONNX Runtime, which transposes for the second one. Both
    are shifted by the largest score: rows or columns whose best score is more than 87 below it underflow and
    match nothing. In practice the best scores of rows and columns lie within 20 of each other.
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
        confidence: float32 (B, K), 0 in unused entries.
    """

    visible_cells: Tensor
    thermal_cells: Tensor
    confidence: Tensor


def mutual_matches(scores: Tensor, inside: Tensor, max_matches: int, threshold: float) -> CoarseMatches:
    """The ``max_matches`` best mutual maxima of the dual softmax above a threshold.

    Args:
        scores: float32 (B, N, N) similarity, visible by thermal.
        inside: bool (N,), false for cells in the border, which never match.
        max_matches: K, number of matches.
        threshold: least confidence of a match.
    """
    confidence = dual_softmax(scores)
    best, thermal_cells = confidence.max(dim=2)
    mutual = best == confidence.amax(dim=1).gather(1, thermal_cells)
    accepted = mutual & (best > threshold) & inside & inside[thermal_cells]
    top, visible_cells = (best * accepted).topk(max_matches, dim=1)
    return CoarseMatches(visible_cells, thermal_cells.gather(1, visible_cells), top)
