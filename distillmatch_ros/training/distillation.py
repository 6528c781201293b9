"""The distillation loss between the student's and a teacher's features (paper, KD-VFM)."""

from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.base.configuration import LocalPath, Pretrained
from distillmatch_ros.model.attention import to_tokens


@dataclass(frozen=True)
class DistillationConfig:
    """Who teaches, and the weights of the three parts of the loss.

    Attributes:
        teacher: hub id or folder of a vision foundation model, or a .pt file of this project.
        mse: of the mean squared difference, token by token.
        gram: of the difference between the tokens' cosine matrices: what is like what in the image.
        kl: of the divergence between the softmaxes over the channels, teacher to student.
        layer: which of a foundation model's layers teaches, counted from 1, or None for what it answers with.
            Across modalities the middle ones agree best.
        cache: folder that keeps the teacher's features, or None. Worth its space where the same views come
            again: the rows of an ablation, a run that is repeated.
    """

    teacher: Pretrained
    mse: NonNegativeFloat
    gram: NonNegativeFloat
    kl: NonNegativeFloat
    cache: LocalPath | None = None
    layer: PositiveInt | None = None


class DistillationLoss(nn.Module):
    """Compares the student's features with the teacher's; holds the projection between their widths.

    Each token of either side is first brought to zero mean and unit variance over its channels. Teachers
    differ in scale by orders of magnitude; this way a weight means the same with all of them: the squared
    difference lies in [0, 4], a cosine in [-1, 1].

    The projection belongs to the loss, not to the network: nothing of it is exported.
    """

    def __init__(self, student_width: int, teacher_width: int, config: DistillationConfig) -> None:
        super().__init__()
        self.config = config
        self.projection: nn.Module = (
            nn.Identity() if student_width == teacher_width else nn.Conv2d(student_width, teacher_width, 1)
        )

    def forward(self, student: Tensor, teacher: Tensor) -> dict[str, Tensor]:
        """Scalar losses by the names of their weights.

        Args:
            student: semantic features (B, S, h, w).
            teacher: features (B, T, h, w) of the same images; no gradient reaches them.
        """
        projected = self.projection(student)
        # Cosines of bfloat16 products are off by what the student has yet to learn.
        with torch.autocast(student.device.type, enabled=False):
            tokens, targets = _normalised(projected), _normalised(teacher.detach())
            channels = tokens.shape[2]
            gram, target_gram = (x @ x.transpose(1, 2) / channels for x in (tokens, targets))
            divergence = F.kl_div(
                tokens.log_softmax(dim=2), targets.log_softmax(dim=2), reduction="none", log_target=True
            )
            return {
                "mse": F.mse_loss(tokens, targets),
                "gram": F.mse_loss(gram, target_gram),
                "kl": divergence.sum(dim=2).mean(),
            }


def _normalised(features: Tensor) -> Tensor:
    """(B, C, h, w) -> float32 tokens (B, h*w, C) of zero mean and unit variance."""
    tokens = to_tokens(features).float()
    return F.layer_norm(tokens, tokens.shape[2:])
