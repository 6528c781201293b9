"""The numbers that make one network out of the blocks: read from config/model/*.yaml."""

import math
from collections.abc import Collection
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from distillmatch_ros import plain_yaml
from distillmatch_ros.errors import DistillMatchError


def read_configuration(path: Path, kind: str) -> dict[str, Any]:
    """Read the values of a YAML file.

    Args:
        path: the file.
        kind: ``model`` or ``training``, the folder of config/ where files like it stand.

    Raises:
        DistillMatchError: the file cannot be read, or holds no names with values.
    """
    values = plain_yaml.read(path, f"a {kind} configuration is wanted, such as config/{kind}/light.yaml")
    if not isinstance(values, dict):
        raise DistillMatchError(f"{path}: holds no {kind} configuration; see config/{kind}/light.yaml")
    return values


def check_values(kind: type, values: dict[str, Any], source: str, positive: Collection[str] = ()) -> None:
    """Refuse what does not fit the numbers, texts and sequences of them that a dataclass declares.

    Args:
        kind: the dataclass; its numbers are finite and not negative.
        values: by the names of its fields; those of other types are not looked at.
        source: where they come from, named in errors.
        positive: fields that must not be 0 either.
    """
    hints = get_type_hints(kind)
    for name, value in values.items():
        least = "above 0" if name in positive else "at least 0"
        if not _fits(value, hints.get(name), name in positive):
            wanted = {int: f"a whole number {least}", float: f"a number {least}", str: "text"}
            what = wanted.get(hints[name], f"a list of as many numbers {least} as in the shipped files")
            raise DistillMatchError(f"{source}: {name} is {value!r}, not {what}")


def _fits(value: Any, hint: Any, positive: bool) -> bool:
    if hint is str:
        return isinstance(value, str)
    if hint in (int, float):
        number = type(value) is int or (hint is float and type(value) is float and math.isfinite(value))
        return number and (value > 0 if positive else value >= 0)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, list | tuple):
            return False
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        return len(value) == len(kinds) and all(
            _fits(part, kind, positive) for part, kind in zip(value, kinds, strict=True)
        )
    return True


# What an ablation can leave out: category guidance, channel and spatial aggregation (paper's names).
BLOCKS = ("cefg", "caa", "saa")


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of one network.

    Attributes:
        name: what the network is called, such as ``light``.
        height: rows of both input images, a multiple of 32.
        width: columns of both input images, a multiple of 32.
        slots: K, the fixed number of correspondences the network answers with.
        texture_widths: channels of the texture features at 1/2, 1/4 and 1/8.
        texture_blocks: residual blocks at 1/2, 1/4 and 1/8.
        semantic_width: channels of the semantic tokens at 1/16.
        semantic_depth: transformer layers of the student.
        modality_depth: transformer layers that the modalities do not share, after the category is injected.
        coarse_layers: rounds of self- and cross-attention before coarse matching.
        heads: attention heads everywhere.
        token_stride: the grid of keys and values (and of the coarse attention) is this much coarser than 1/8.
        fine_widths: channels of the fine tokens at 1/4 and at 1/2.
        temperature: divisor of the similarity before the dual softmax.
        coarse_threshold: a coarse match below this confidence leaves its slot empty.
        fine_threshold: the same for the best pair of the fine windows.
        border: coarse cells at the rim of either image that never match.
        without: blocks of `BLOCKS` that the network does not have, for ablation; the features pass by them.
    """

    name: str
    height: int
    width: int
    slots: int
    texture_widths: tuple[int, int, int]
    texture_blocks: tuple[int, int, int]
    semantic_width: int
    semantic_depth: int
    modality_depth: int
    coarse_layers: int
    heads: int
    token_stride: int
    fine_widths: tuple[int, int]
    temperature: float
    coarse_threshold: float
    fine_threshold: float
    border: int
    without: tuple[str, ...] = ()

    @property
    def coarse_size(self) -> tuple[int, int]:
        """Rows and columns of the 1/8 grid."""
        return self.height // 8, self.width // 8

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> "ModelConfig":
        """Build a configuration, refusing missing, unknown or impossible values.

        Args:
            values: one value for every field that has no default.
            source: where they come from, named in errors.
        """
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        if missing := sorted(required - values.keys()):
            raise DistillMatchError(
                f"{source}: missing {', '.join(missing)}; add them to the model configuration"
            )
        if unknown := sorted(values.keys() - known):
            raise DistillMatchError(
                f"{source}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        check_values(cls, plain, source, positive=known - {"border", "coarse_threshold", "fine_threshold"})
        config = cls(**plain)
        if config.height % 32 or config.width % 32:
            raise DistillMatchError(
                f"{source}: {config.width}x{config.height} is not a multiple of 32; choose one that is"
            )
        if unknown := sorted(set(config.without) - set(BLOCKS)):
            raise DistillMatchError(
                f"{source}: without {', '.join(unknown)}: no such block; known are {', '.join(BLOCKS)}"
            )
        return config

    @classmethod
    def load(cls, path: Path) -> "ModelConfig":
        """Read a YAML file."""
        return cls.from_dict(read_configuration(path, "model"), str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and YAML."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
