"""Configuration of a network: config/model/*.yaml."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from distillmatch_ros.base import configuration
from distillmatch_ros.base.configuration import InputSide, YamlConfiguration

# Blocks that an ablation can leave out: category guidance, channel and spatial aggregation (paper's names).
Block = Literal["cefg", "caa", "saa"]
BLOCKS: tuple[Block, ...] = get_args(Block)
# Additional input of the student: none (as in the paper), or features of a trunk trained on ImageNet.
Trunk = Literal["none", "efficientnet-lite0"]


@dataclass(frozen=True)
class ModelConfig(YamlConfiguration):
    """Architecture of one network.

    Attributes:
        name: name of the network, such as ``light``.
        height: rows of both input images, a multiple of 32.
        width: columns of both input images, a multiple of 32.
        max_matches: K, the fixed number of correspondences in the output.
        texture_widths: channels of the texture features at 1/2, 1/4 and 1/8.
        texture_blocks: residual blocks at 1/2, 1/4 and 1/8.
        semantic_width: channels of the semantic tokens at 1/16.
        semantic_depth: transformer layers of the student.
        modality_depth: transformer layers of each modality after the category guidance.
        coarse_layers: rounds of self- and cross-attention before coarse matching.
        heads: attention heads of all attention layers.
        token_stride: factor by which the grid of keys, values and coarse attention is coarser than 1/8.
        fine_widths: channels of the fine tokens at 1/4 and at 1/2.
        temperature: divisor of the similarity before the dual softmax.
        coarse_threshold: least confidence of a coarse match.
        fine_threshold: least confidence of the best pair of the fine windows.
        border: width of the border of either image that never matches, coarse cells.
        without: blocks of `BLOCKS` that are left out, for ablation; features bypass them.
        trunk: network trained on ImageNet whose features are an additional input of the student.
    """

    EXAMPLE = "config/model/light.yaml"

    name: str
    height: InputSide
    width: InputSide
    max_matches: PositiveInt
    texture_widths: tuple[PositiveInt, PositiveInt, PositiveInt]
    texture_blocks: tuple[PositiveInt, PositiveInt, PositiveInt]
    semantic_width: PositiveInt
    semantic_depth: PositiveInt
    modality_depth: PositiveInt
    coarse_layers: PositiveInt
    heads: PositiveInt
    token_stride: PositiveInt
    fine_widths: tuple[PositiveInt, PositiveInt]
    temperature: PositiveFloat
    coarse_threshold: NonNegativeFloat
    fine_threshold: NonNegativeFloat
    border: NonNegativeInt
    without: tuple[Block, ...] = ()
    trunk: Trunk = "none"

    @property
    def coarse_size(self) -> tuple[int, int]:
        """Rows and columns of the 1/8 grid."""
        return self.height // 8, self.width // 8

    @classmethod
    def from_dict(cls, values: Any, source: str) -> "ModelConfig":
        """Make a configuration from the plain values of :meth:`to_dict`, read from ``source``.

        Raises:
            DistillMatchError: a value is missing, unknown or invalid.
        """
        if isinstance(values, dict) and "slots" in values:  # name of max_matches before version 0.2
            values = {"max_matches" if key == "slots" else key: value for key, value in values.items()}
        return configuration.build(cls, values, source, "train again, or name another file")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values, for JSON and YAML."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
