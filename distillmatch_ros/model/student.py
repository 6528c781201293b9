"""Semantic student: a light transformer, distilled from a vision foundation model (paper, KD-VFM)."""

from torch import Tensor, nn

from distillmatch_ros.model.attention import PositionEncoding, TransformerLayer, to_map, to_tokens


class SemanticStudent(nn.Module):
    """Transformer on the 1/16 grid, which a teacher's 14-pixel patches form on an image scaled to 7/8.

    Its input are texture features instead of raw patches: the convolutions are computed anyway, and without
    their locality a transformer needs far more training data than a rig provides.
    """

    def __init__(self, inputs: int, width: int, depth: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(inputs, width, 3, stride=2, padding=1)
        self.position = PositionEncoding(width, grid)
        self.layers = nn.ModuleList(TransformerLayer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, texture: Tensor, prior: Tensor | None = None) -> Tensor:
        """Compute semantic features from texture features.

        Args:
            texture: (B, C, H/8, W/8).
            prior: (B, width, H/16, W/16), features of a pretrained trunk; None without one.

        Returns:
            (B, width, H/16, W/16).
        """
        embedded = self.embedding(texture)
        embedded = self.position(embedded if prior is None else embedded + prior)
        tokens = to_tokens(embedded)
        for layer in self.layers:
            tokens = layer(tokens)
        return to_map(self.norm(tokens), embedded)
