import math
from pathlib import Path
from typing import Any

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.resources import find
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch


@pytest.mark.parametrize("name", ["light", "base"])
def test_shipped_configurations_load_under_their_own_name(name: str) -> None:
    assert ModelConfig.load(find(f"config/model/{name}.yaml")).name == name


def test_base_has_the_widths_of_the_paper() -> None:
    config = ModelConfig.load(find("config/model/base.yaml"))
    assert (config.width, config.height) == (640, 512)
    assert config.semantic_width == 384
    assert DistillMatch(config).student.embedding.out_channels == 384


def test_a_configuration_survives_its_dictionary(tiny_config: ModelConfig) -> None:
    assert ModelConfig.from_dict(tiny_config.to_dict(), "test") == tiny_config


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"height": 100}, "multiple of 32"),
        ({"colour": 1}, "unknown colour"),
        ({"max_matches": None}, "missing max_matches"),
        ({"height": "big"}, "height is 'big', not a valid integer"),
        ({"height": -32}, "height is -32"),
        ({"heads": 0}, "heads is 0"),
        ({"heads": True}, "heads is True"),
        ({"temperature": math.nan}, "temperature is nan, not a finite number"),
        ({"fine_widths": [32]}, "missing fine_widths.1."),
        ({"without": ["fmm"]}, "without.0. is 'fmm', not 'cefg', 'caa' or 'saa'"),
    ],
)
def test_impossible_values_are_named(tiny_config: ModelConfig, change: dict[str, Any], word: str) -> None:
    values = {key: value for key, value in {**tiny_config.to_dict(), **change}.items() if value is not None}
    with pytest.raises(DistillMatchError, match=word):
        ModelConfig.from_dict(values, "test")


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("- just\n- a list\n")
    with pytest.raises(DistillMatchError, match=r"model\.yaml"):
        ModelConfig.load(path)
    with pytest.raises(DistillMatchError, match=r"missing\.yaml"):
        ModelConfig.load(tmp_path / "missing.yaml")
