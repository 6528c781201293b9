"""Semantic and texture feature aggregation on the 1/8 grid (paper, STFA)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.attention import Attention, to_map, to_tokens
from distillmatch_ros.model.cefg import channel_attention


class ChannelAggregation(nn.Module):
    """CAA: channel attention with queries from the semantic, keys and values from the texture features."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(width, width, 1)
        self.key_value = nn.Conv2d(width, 2 * width, 1)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.output = nn.Conv2d(width, width, 1)

    def forward(self, semantic: Tensor, texture: Tensor) -> Tensor:
        """Two (B, C, h, w) -> (B, C, h, w)."""
        key, value = self.key_value(texture).chunk(2, dim=1)
        mixed = channel_attention(self.query(semantic), key, value, self.heads, self.temperature)
        updated: Tensor = semantic + self.output(mixed)
        return updated


class SpatialAggregation(nn.Module):
    """SAA: spatial attention from each texture position to the channel-aggregated features."""

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.query_norm = nn.LayerNorm(width)
        self.source_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)

    def forward(self, texture: Tensor, aggregated: Tensor) -> Tensor:
        """Two (B, C, h, w) -> (B, C, h, w); keys and values are on a grid ``stride`` times coarser."""
        source = to_tokens(F.avg_pool2d(aggregated, self.stride))
        mixed = self.attention(self.query_norm(to_tokens(texture)), self.source_norm(source))
        return texture + to_map(mixed, texture)


class FeatureAggregation(nn.Module):
    """STFA: fuses semantic features at 1/16 and texture features at 1/8 into features at 1/8.

    Without CAA the spatial attention reads the semantic features directly; without SAA the texture features
    go directly to the fusion.
    """

    def __init__(
        self,
        semantic_width: int,
        width: int,
        heads: int,
        stride: int,
        with_channels: bool = True,
        with_space: bool = True,
    ) -> None:
        super().__init__()
        self.projection = nn.Conv2d(semantic_width, width, 1)
        self.channels = ChannelAggregation(width, heads) if with_channels else None
        self.space = SpatialAggregation(width, heads, stride) if with_space else None
        self.fusion = nn.Conv2d(2 * width, width, 1)

    def forward(self, semantic: Tensor, texture: Tensor) -> Tensor:
        """(B, S, H/16, W/16) and (B, C, H/8, W/8) -> (B, C, H/8, W/8)."""
        semantic = F.interpolate(self.projection(semantic), scale_factor=2, mode="bilinear")
        aggregated = semantic if self.channels is None else self.channels(semantic, texture)
        located = texture if self.space is None else self.space(texture, aggregated)
        fused: Tensor = texture + self.fusion(torch.cat([located, aggregated], dim=1))
        return fused
