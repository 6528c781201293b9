"""The paper's total loss: matching (coarse focal, fine focal, sub-pixel), modality, distillation."""

from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.network import COARSE_CELL, FINE_CELL, DistillMatch
from distillmatch_ros.training.data import Batch
from distillmatch_ros.training.distillation import DistillationLoss
from distillmatch_ros.training.ground_truth import Cells, coarse_cells, fine_pixels
from distillmatch_ros.training.views import TrueMapping

IGNORED = -100


@dataclass(frozen=True)
class LossConfig:
    """Weights of the total loss.

    Attributes:
        coarse: weight of the focal loss on the 1/8 grid.
        fine: weight of the focal loss in the fine windows.
        subpixel: weight of the symmetric transfer error.
        modality: weight of the cross-entropy on the modality category.
        gamma: focal exponent; 0 is plain cross-entropy.
        fine_matches: number of coarse matches per pair that train the fine stage.
    """

    coarse: NonNegativeFloat
    fine: NonNegativeFloat
    subpixel: NonNegativeFloat
    modality: NonNegativeFloat
    gamma: NonNegativeFloat
    fine_matches: PositiveInt


def joint_mean(values: Tensor) -> Tensor:
    """Mean over the batches of all processes, scaled so that averaged gradients are its gradient.

    Batches have different numbers of matches: averaging their means would weight matches unequally.
    """
    count = torch.tensor(float(values.numel()), device=values.device)
    processes = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        processes = torch.distributed.get_world_size()
        torch.distributed.all_reduce(count)
    return values.sum() * processes / count.clamp(min=1)


def focal(log_confidence: Tensor, gamma: float) -> Tensor:
    """Mean focal loss of confidences whose target is 1, from their logarithms."""
    weight = (1 - log_confidence.detach().exp()) ** gamma
    return joint_mean(-weight * log_confidence)


def coarse_loss(scores: Tensor, cells: Cells, gamma: float) -> Tensor:
    """Focal loss of the dual softmax of scores (B, N, N) at the matching cells."""
    pair, visible, thermal = cells
    partner_of_visible = torch.full(scores.shape[:2], IGNORED, device=scores.device)
    partner_of_thermal = torch.full_like(partner_of_visible, IGNORED)
    partner_of_visible[pair, visible] = thermal
    partner_of_thermal[pair, thermal] = visible
    rows = F.cross_entropy(scores.flatten(0, 1), partner_of_visible.flatten(), reduction="none")
    columns = F.cross_entropy(scores, partner_of_thermal, reduction="none")
    return focal(-rows.view_as(partner_of_visible)[pair, visible] - columns[pair, thermal], gamma)


def choose_cells(cells: Cells, batch: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose ``count`` matching cells of every pair, evenly distributed.

    Args:
        cells: matching cells, in the order of their pairs.
        batch: B, number of pairs.
        count: cells to choose of each pair.

    Returns:
        int64 (B, count) visible and thermal cells, and bool (B, count), false for missing entries.
    """
    counts = torch.bincount(cells.pair, minlength=batch)[:, None]
    entry = torch.arange(count, device=cells.pair.device)
    chosen = entry < counts
    intervals = (counts.clamp(max=count) - 1).clamp(min=1)
    index = counts.cumsum(0) - counts + torch.div(entry * (counts - 1), intervals, rounding_mode="floor")
    # Missing entries take the 0 that is appended.
    index = index.where(chosen, len(cells.pair))
    visible, thermal = (
        torch.cat([side, side.new_zeros(1)])[index] for side in (cells.visible, cells.thermal)
    )
    return visible, thermal, chosen


def transfer_error(mapping: TrueMapping, visible: Tensor, thermal: Tensor) -> Tensor:
    """Symmetric transfer error (B, K) of points (B, K, 2): mean distance in both images, network pixels."""
    there = (mapping.to_visible(thermal) - visible).norm(dim=2)
    back = (mapping.to_thermal(visible) - thermal).norm(dim=2)
    loss: Tensor = (there + back) / 2
    return loss


class TotalLoss(nn.Module):
    """The network and all losses as one module, so that DDP averages gradients over processes."""

    def __init__(
        self, network: DistillMatch, config: LossConfig, distillation: DistillationLoss | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.distillation = distillation

    def forward(self, batch: Batch, teacher: Tensor | None = None) -> dict[str, Tensor]:
        """Scalar losses by name; ``total`` is their weighted sum.

        Args:
            batch: B pairs.
            teacher: teacher's features (2B, T, H/16, W/16), visible images first; None without a teacher.
        """
        features = self.network.describe(batch.visible, batch.thermal)
        cells = coarse_cells(batch.mapping, batch.visible_mask, batch.thermal_mask)
        coarse = coarse_loss(self.network.similarity(features), cells, self.config.gamma)

        visible, thermal, chosen = choose_cells(cells, len(batch.visible), self.config.fine_matches)
        fine = self.network.refine(features, visible, thermal)
        columns = batch.visible.shape[3] // COARSE_CELL
        positive = fine_pixels(batch.mapping, visible, thermal, columns) & chosen[..., None, None]
        error = transfer_error(batch.mapping, fine.visible_points, fine.thermal_points) / FINE_CELL
        # Offsets are limited to half a window pixel; pairs with larger errors are wrong matches.
        within_reach = chosen & (error.detach() < 2)
        residual = error[within_reach]
        losses = {
            "coarse": coarse,
            "fine": focal(fine.log_confidence[positive], self.config.gamma),
            "subpixel": joint_mean(F.smooth_l1_loss(residual, torch.zeros_like(residual), reduction="none")),
        }
        weights = vars(self.config)
        if (logits := features.modality_logits) is not None:
            modality = torch.tensor([0, 1], device=visible.device).repeat_interleave(len(visible))
            losses["modality"] = F.cross_entropy(logits.float(), modality)
        if self.distillation is not None and teacher is not None:
            losses |= self.distillation(features.semantic, teacher)
            weights = weights | vars(self.distillation.config)
        losses["total"] = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        return losses
