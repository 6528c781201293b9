"""A tiny V2I-GAN."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.gan.config import GeneratorConfig
from distillmatch_ros.training.gan.semantics import StudentBranch
from distillmatch_ros.training.gan.translation import Translator, contents

TINY = GeneratorConfig(width=4, encoder_blocks=1, decoder_blocks=1, heads=2, stride=2)


@pytest.fixture
def student(tmp_path: Path, tiny_config: ModelConfig) -> Path:
    """Weights of an untrained network."""
    torch.manual_seed(5)
    path = tmp_path / "student.pt"
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), steps=0).save(path)
    return path


@pytest.fixture
def generator_config() -> GeneratorConfig:
    return TINY


@pytest.fixture
def gan(tmp_path: Path, student: Path) -> Path:
    """An untrained V2I-GAN on disk."""
    torch.manual_seed(6)
    semantics = StudentBranch.of(Weights.load(student))
    translator = Translator(TINY, semantics, 7)
    path = tmp_path / "gan.pt"
    torch.save(contents(TINY, translator.generator.state_dict(), semantics, 7), path)
    return path


@pytest.fixture
def write_gan(tmp_path: Path, student: Path, pairs_folder: Path, photos_folder: Path) -> Callable[..., Path]:
    """Writes a training configuration; keywords change values of it."""

    def write(name: str = "gan", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "generator": TINY.to_dict(),
            "discriminator_width": 4,
            "semantics": "student.pt",
            "pairs": str(pairs_folder),
            "photos": str(photos_folder),
            "thermals": None,
            "samples": None,
            "output": name,
            "view": [64, 96],
            "crop": [0.4, 0.8],
            "steps": 4,
            "batch": 2,
            "unpaired_fraction": 0.5,
            "learning_rate": 1e-3,
            "gradient_limit": 10.0,
            "average": 0.9,
            "pool": 3,
            "checkpoint_every": 2,
            "sample_every": 4,
            "seed": 3,
            "loss": {
                "adversarial": 1.0,
                "cycle": 10.0,
                "ssim": 1.0,
                "gradient": 1.0,
                "variation": 1.0,
                "supervised": 10.0,
            },
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write
