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
    """The teacher, and the weights of the three parts of the loss.

    Attributes:
        teacher: hub id or folder of a vision foundation model, or a .pt file of this project.
        mse: weight of the mean squared difference of the tokens.
        gram: weight of the difference of the tokens' cosine similarity matrices (structure of the image).
        kl: weight of the Kullback-Leibler divergence of the channel softmaxes, teacher to student.
        layer: layer of a foundation model whose features are used, from 1, or None for its output. Middle
            layers agree best across modalities.
        cache: folder for the teacher's features, or None. Useful if the same views are used again, as in an
            ablation or a repeated run.
    """

    teacher: Pretrained
    mse: NonNegativeFloat
    gram: NonNegativeFloat
    kl: NonNegativeFloat
    cache: LocalPath | None = None
    layer: PositiveInt | None = None


class DistillationLoss(nn.Module):
    """Compares the student's features with the teacher's; contains the projection between their widths.

    The tokens of both are standardised over the channels. Since teachers differ in scale by orders of
    magnitude, this makes the weights comparable: squared differences are in [0, 4], cosines in [-1, 1].

    The projection belongs to the loss, not to the network, and is not exported.
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
        # In float32: the error of bfloat16 products is as large as the remaining differences.
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
    """Standardise (B, C, h, w) over the channels; returns float32 tokens (B, h*w, C)."""
    tokens = to_tokens(features).float()
    return F.layer_norm(tokens, tokens.shape[2:])
