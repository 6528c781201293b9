"""Both generators of the cycle: translation into the other modality and back."""

from typing import NamedTuple

from torch import Tensor, nn

from distillmatch_ros.training.gan.config import GeneratorConfig
from distillmatch_ros.training.gan.generator import Generator
from distillmatch_ros.training.gan.semantics import Semantics


class Cycle(NamedTuple):
    """A translated batch; float32 (B, C, H, W) in [0, 1].

    Attributes:
        thermal: translations of the visible images.
        visible: translations of the thermal images.
        visible_back: reconstructions of the visible images.
        thermal_back: reconstructions of the thermal images.
    """

    thermal: Tensor
    visible: Tensor
    visible_back: Tensor
    thermal_back: Tensor


class Generators(nn.Module):
    """The generators visible to thermal and thermal to visible."""

    def __init__(self, semantic_width: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.to_thermal = Generator(3, 1, semantic_width, config)
        self.to_visible = Generator(1, 3, semantic_width, config)

    def forward(self, visible: Tensor, thermal: Tensor, semantics: Semantics) -> Cycle:
        """Translate visible (B, 3, H, W) and thermal (B, 1, H, W) images, and back."""
        new_thermal = self.to_thermal(visible, semantics(visible))
        new_visible = self.to_visible(thermal, semantics(thermal))
        return Cycle(
            thermal=new_thermal,
            visible=new_visible,
            visible_back=self.to_visible(new_thermal, semantics(new_thermal)),
            thermal_back=self.to_thermal(new_visible, semantics(new_visible)),
        )
