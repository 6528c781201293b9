"""The paper's matching losses (coarse focal, fine focal, sub-pixel) and the modality cross-entropy."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.network import COARSE_CELL, FINE_CELL, DistillMatch
from distillmatch_ros.training.data import Batch
from distillmatch_ros.training.ground_truth import Cells, coarse_cells, fine_pixels
from distillmatch_ros.training.views import apply

IGNORED = -100


@dataclass(frozen=True)
class LossConfig:
    """Weights of the total loss.

    Attributes:
        coarse: of the focal loss on the 1/8 grid.
        fine: of the focal loss in the fine windows.
        subpixel: of the symmetric transfer error.
        modality: of the cross-entropy on the modality category.
        gamma: focal exponent; 0 is plain cross-entropy.
        fine_matches: coarse matches per pair that train the fine stage.
    """

    coarse: float
    fine: float
    subpixel: float
    modality: float
    gamma: float
    fine_matches: int


def focal(log_confidence: Tensor, gamma: float) -> Tensor:
    """Mean focal loss of the confidences that ought to be 1, from their logarithms."""
    if log_confidence.numel() == 0:
        return log_confidence.sum()
    weight = (1 - log_confidence.detach().exp()) ** gamma
    return -(weight * log_confidence).mean()


def coarse_loss(scores: Tensor, cells: Cells, gamma: float) -> Tensor:
    """Focal loss of the dual softmax of (B, N, N) scores at the cells that match."""
    pair, visible, thermal = cells
    partner_of_visible = torch.full(scores.shape[:2], IGNORED, device=scores.device)
    partner_of_thermal = torch.full_like(partner_of_visible, IGNORED)
    partner_of_visible[pair, visible] = thermal
    partner_of_thermal[pair, thermal] = visible
    rows = F.cross_entropy(scores.flatten(0, 1), partner_of_visible.flatten(), reduction="none")
    columns = F.cross_entropy(scores, partner_of_thermal, reduction="none")
    return focal(-rows.view_as(partner_of_visible)[pair, visible] - columns[pair, thermal], gamma)


def choose_cells(cells: Cells, batch: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """An even choice of ``count`` matching cells of every pair.

    Returns:
        int64 (B, count) visible and thermal cells, and bool (B, count), false where a pair has too few.
    """
    visible = torch.zeros(batch, count, dtype=torch.long, device=cells.pair.device)
    thermal, chosen = visible.clone(), torch.zeros_like(visible, dtype=torch.bool)
    for pair in range(batch):
        own = (cells.pair == pair).nonzero()[:, 0]
        own = own[torch.linspace(0, len(own) - 1, min(count, len(own)), device=own.device).long()]
        visible[pair, : len(own)] = cells.visible[own]
        thermal[pair, : len(own)] = cells.thermal[own]
        chosen[pair, : len(own)] = True
    return visible, thermal, chosen


def transfer_error(thermal_to_visible: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Distance (B, K) of points (B, K, 2) from their mapped partners, mean of both images, network pixels."""
    there = (apply(thermal_to_visible, thermal) - visible).norm(dim=2)
    back = (apply(torch.linalg.inv(thermal_to_visible), visible) - thermal).norm(dim=2)
    return (there + back) / 2


class MatchingLoss(nn.Module):
    """The network and its loss as one module, so that gradients are averaged over processes (DDP)."""

    def __init__(self, network: DistillMatch, config: LossConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scalar losses by name; ``total`` is their weighted sum."""
        description = self.network.describe(batch.visible, batch.thermal)
        cells = coarse_cells(batch.thermal_to_visible, batch.visible_mask, batch.thermal_mask)
        coarse = coarse_loss(self.network.similarity(description), cells, self.config.gamma)

        visible, thermal, chosen = choose_cells(cells, len(batch.visible), self.config.fine_matches)
        fine = self.network.refine(description, visible, thermal)
        columns = batch.visible.shape[3] // COARSE_CELL
        positive = fine_pixels(batch.thermal_to_visible, visible, thermal, columns) & chosen[..., None, None]
        error = transfer_error(batch.thermal_to_visible, fine.visible_points, fine.thermal_points) / FINE_CELL
        # An offset reaches half a pixel of the window; a pair that is further off was matched wrongly.
        within_reach = chosen & (error.detach() < 2)
        modality = torch.tensor([0, 1], device=visible.device).repeat_interleave(len(visible))
        losses = {
            "coarse": coarse,
            "fine": focal(fine.log_confidence[positive], self.config.gamma),
            "subpixel": F.smooth_l1_loss(
                error[within_reach], torch.zeros_like(error[within_reach]), reduction="sum"
            )
            / within_reach.sum().clamp(min=1),
            "modality": F.cross_entropy(description.modality_logits.float(), modality),
        }
        losses["total"] = sum(
            (getattr(self.config, name) * loss for name, loss in losses.items()), torch.zeros(())
        )
        return losses
