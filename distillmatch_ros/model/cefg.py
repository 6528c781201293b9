"""Category-enhanced feature guidance: injects the other image's modality category (paper, CEFG)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.attention import TransformerLayer, partner, to_map, to_tokens


class RestormerBlock(nn.Module):
    """Channel attention and a gated perceptron, both with 3x3 depth-wise convolutions (Restormer)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.GroupNorm(1, width)
        self.query_key_value = nn.Sequential(
            nn.Conv2d(width, 3 * width, 1), nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width)
        )
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.output = nn.Conv2d(width, width, 1)
        self.gate_norm = nn.GroupNorm(1, width)
        self.gate = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        )
        self.gate_output = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        query, key, value = self.query_key_value(self.attention_norm(features)).chunk(3, dim=1)
        mixed = channel_attention(query, key, value, self.heads, self.temperature)
        features = features + self.output(mixed)
        signal, gate = self.gate(self.gate_norm(features)).chunk(2, dim=1)
        gated: Tensor = features + self.gate_output(F.gelu(gate) * signal)
        return gated


def channel_attention(query: Tensor, key: Tensor, value: Tensor, heads: int, temperature: Tensor) -> Tensor:
    """Attention between channels; its cost is linear in the number of pixels.

    Args:
        query: (B, C, h, w).
        key: (B, C, h, w).
        value: (B, C, h, w).
        heads: number of groups of channels that attend among themselves.
        temperature: (heads, 1, 1) factor of the cosine similarity between channels.

    Returns:
        (B, C, h, w).
    """
    size = query.shape[-2:]
    query, key, value = (x.flatten(2).unflatten(1, (heads, -1)) for x in (query, key, value))
    weights = _unit(query) @ _unit(key).transpose(-2, -1)
    mixed = (weights * temperature).softmax(dim=-1) @ value
    attended: Tensor = mixed.flatten(1, 2).unflatten(2, size)
    return attended


def _unit(channels: Tensor) -> Tensor:
    """Normalise channels (..., pixels) to length 1, in float32: sums of squares overflow half precision."""
    return F.normalize(channels.float(), dim=-1).to(channels.dtype)


class CategoryEncoder(nn.Module):
    """Summarises an image in one learnable token, the category of its modality."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.restormer = RestormerBlock(width, heads)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.encoder = TransformerLayer(width, heads)
        self.classifier = nn.Linear(width, 2)

    def forward(self, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> category (B, C, 1, 1) and its logits (B, 2): visible, thermal."""
        tokens = to_tokens(F.avg_pool2d(self.restormer(semantic), 2))
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)
        category = self.encoder(tokens)[:, 0]
        return category[:, :, None, None], self.classifier(category)


class CategoryGuidance(nn.Module):
    """Adds the category of the other image, followed by layers that each modality has of its own."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.category = CategoryEncoder(width, heads)
        self.visible_layers = nn.ModuleList(TransformerLayer(width, heads) for _ in range(depth))
        self.thermal_layers = nn.ModuleList(TransformerLayer(width, heads) for _ in range(depth))

    def forward(self, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Semantic features (2B, C, h, w), visible first -> guided features of that shape, logits (2B, 2)."""
        category, logits = self.category(semantic)
        visible, thermal = to_tokens(semantic + partner(category)).chunk(2)
        for visible_layer, thermal_layer in zip(self.visible_layers, self.thermal_layers, strict=True):
            visible, thermal = visible_layer(visible), thermal_layer(thermal)
        return to_map(torch.cat([visible, thermal]), semantic), logits
