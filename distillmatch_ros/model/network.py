"""DistillMatch (arXiv 2509.16017): two grey images in, K correspondences out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from distillmatch_ros.model.backbone import TextureBackbone
from distillmatch_ros.model.cefg import CategoryGuidance
from distillmatch_ros.model.coarse import CoarseTransformer, log_dual_softmax, mutual_matches, similarity
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.fine import HALF_WINDOW, FineMatching, SubPixelRefinement
from distillmatch_ros.model.normalisation import InputNormalisation
from distillmatch_ros.model.stfa import FeatureAggregation
from distillmatch_ros.model.student import SemanticStudent
from distillmatch_ros.model.trunk import PretrainedTrunk

COARSE_CELL, FINE_CELL = 8, 2


class PairFeatures(NamedTuple):
    """Output of the blocks before matching for a batch of pairs, visible images first.

    Attributes:
        texture: features at 1/2, 1/4 and 1/8, each (2B, C, h, w); at 1/8 the aggregated ones (STFA).
        coarse: descriptors (2B, N, C) of the 1/8 cells, row by row.
        semantic: the student's features (2B, S, H/16, W/16), for distillation from a teacher.
        modality_logits: (2B, 2), visible and thermal; None without CEFG.
    """

    texture: tuple[Tensor, Tensor, Tensor]
    coarse: Tensor
    semantic: Tensor
    modality_logits: Tensor | None


class FineMatches(NamedTuple):
    """The best pair of pixels in each pair of windows.

    Attributes:
        visible_points: float32 (B, K, 2), network pixels, x and y.
        thermal_points: float32 (B, K, 2), network pixels, x and y.
        log_confidence: float32 (B, K, 25, 25), logarithm of the dual softmax, visible by thermal.
        best: int64 (B, K), index of the best pair in the flattened 25 x 25.
    """

    visible_points: Tensor
    thermal_points: Tensor
    log_confidence: Tensor
    best: Tensor


class DistillMatch(nn.Module):
    """The network. ``forward`` fulfils the engine's contract; training calls the parts.

    Training images may be smaller than configured (multiples of 32), but not larger.
    """

    inside: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        rows, columns = config.coarse_size
        width = config.texture_widths[2]
        self.normalisation = InputNormalisation()
        self.texture = TextureBackbone(config.texture_widths, config.texture_blocks)
        self.trunk = None if config.trunk == "none" else PretrainedTrunk(config.semantic_width)
        self.student = SemanticStudent(
            width, config.semantic_width, config.semantic_depth, config.heads, (rows // 2, columns // 2)
        )
        self.guidance = (
            None
            if "cefg" in config.without
            else CategoryGuidance(config.semantic_width, config.modality_depth, config.heads)
        )
        self.aggregation = FeatureAggregation(
            config.semantic_width,
            width,
            config.heads,
            config.token_stride,
            with_channels="caa" not in config.without,
            with_space="saa" not in config.without,
        )
        self.coarse = CoarseTransformer(
            width, config.coarse_layers, config.heads, config.token_stride, (rows, columns)
        )
        self.fine = FineMatching(config.texture_widths, config.fine_widths)
        self.refinement = SubPixelRefinement(config.fine_widths[1])
        inside = torch.zeros(rows, columns, dtype=torch.bool)
        inside[config.border : rows - config.border, config.border : columns - config.border] = True
        self.register_buffer("inside", inside.flatten(), persistent=False)
        self.block_dtype = torch.float32

    def halve(self) -> None:
        """Convert the blocks with weights to half precision.

        Input normalisation, similarities, dual softmax and coordinates remain in float32: local variances of
        an 8-bit image underflow half precision, and a coordinate of 640 would be rounded to half a pixel.
        """
        kept = (self.normalisation,)
        for block in (child for child in self.children() if child not in kept):
            block.half()
        self.block_dtype = torch.float16

    def forward(self, visible: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Match a batch of pairs.

        Args:
            visible: float32 (B, 1, H, W) grey in [0, 1].
            thermal: float32 (B, 1, H, W) grey in [0, 1].

        Returns:
            Points (B, K, 2) in both images, network pixels, and their confidence (B, K), 0 in unused entries.
        """
        features = self.describe(visible, thermal)
        matches = mutual_matches(
            self.similarity(features), self.inside, self.config.max_matches, self.config.coarse_threshold
        )
        fine = self.refine(features, matches.visible_cells, matches.thermal_cells)
        certain = fine.log_confidence.flatten(2).amax(dim=2).exp() > self.config.fine_threshold
        return fine.visible_points, fine.thermal_points, matches.confidence * certain

    def describe(self, visible: Tensor, thermal: Tensor) -> PairFeatures:
        """Run all blocks before matching on float32 (B, 1, H, W) images."""
        # One image at a time: ONNX Runtime's convolutions are half as fast on a batch of two.
        images = [self.normalisation(image).to(self.block_dtype) for image in (visible, thermal)]
        levels = zip(*(self.texture(image) for image in images), strict=True)
        half, quarter, eighth = (torch.cat(level) for level in levels)
        prior = None if self.trunk is None else torch.cat([self.trunk(image) for image in images])
        semantic = self.student(eighth, prior)
        guided, logits = (semantic, None) if self.guidance is None else self.guidance(semantic)
        fused = self.aggregation(guided, eighth)
        return PairFeatures((half, quarter, fused), self.coarse(fused), semantic, logits)

    def similarity(self, features: PairFeatures) -> Tensor:
        """Coarse similarity, float32 (B, N, N), visible by thermal."""
        visible, thermal = features.coarse.chunk(2)
        return similarity(visible, thermal, self.config.temperature)

    def refine(self, features: PairFeatures, visible_cells: Tensor, thermal_cells: Tensor) -> FineMatches:
        """Fine match and sub-pixel offset around matched cells, int64 (B, K) each."""
        cells = torch.cat([visible_cells, thermal_cells])
        visible, thermal = self.fine(*features.texture, cells).chunk(2)
        log_confidence = log_dual_softmax(similarity(visible, thermal, self.config.temperature))
        best = log_confidence.flatten(2).argmax(dim=2)
        visible_pixel = torch.div(best, HALF_WINDOW**2, rounding_mode="floor")
        thermal_pixel = best % HALF_WINDOW**2
        visible_offset, thermal_offset = self.refinement(
            _select(visible, visible_pixel), _select(thermal, thermal_pixel)
        )
        columns = features.texture[2].shape[3]
        return FineMatches(
            _points(visible_cells, columns, visible_pixel, visible_offset),
            _points(thermal_cells, columns, thermal_pixel, thermal_offset),
            log_confidence,
            best,
        )


def grid_points(index: Tensor, columns: int) -> Tensor:
    """Flattened grid index (...) -> float32 column and row (..., 2)."""
    return torch.stack([index % columns, torch.div(index, columns, rounding_mode="floor")], dim=-1).float()


def _points(cells: Tensor, columns: int, pixels: Tensor, offsets: Tensor) -> Tensor:
    """Network pixels (B, K, 2) of fine pixels (B, K) in the windows around coarse cells (B, K)."""
    inside = grid_points(pixels, HALF_WINDOW) - HALF_WINDOW // 2
    return grid_points(cells, columns) * COARSE_CELL + (inside + offsets) * FINE_CELL


def _select(windows: Tensor, pixel: Tensor) -> Tensor:
    """(B, K, P, C) at int64 (B, K) -> (B, K, C)."""
    index = pixel[..., None, None].expand(-1, -1, 1, windows.shape[-1])
    return windows.gather(2, index).squeeze(2)
