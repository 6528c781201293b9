"""A tiny data set and a tiny run on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from support.pictures import picture

from distillmatch_ros.model.config import ModelConfig

WriteRun = Callable[..., Path]

pytest.importorskip("torch")


@pytest.fixture
def pairs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for side in ("visible", "thermal"):
        (folder / side).mkdir(parents=True)
    for seed in range(4):
        image = picture(seed)
        cv2.imwrite(str(folder / "visible" / f"{seed}.png"), image)
        cv2.imwrite(str(folder / "thermal" / f"{seed}.png"), 255 - image[..., 1])
    return folder


@pytest.fixture
def photos_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(10 + seed, 80 + 10 * seed, 120))
    return folder


@pytest.fixture
def write_run(tmp_path: Path, tiny_config: ModelConfig, pairs_folder: Path, photos_folder: Path) -> WriteRun:
    """Writes a training configuration; keywords change values of it."""

    def write(name: str = "run", **changes: Any) -> Path:
        (tmp_path / "model.yaml").write_text(yaml.safe_dump(tiny_config.to_dict()))
        values: dict[str, Any] = {
            "model": "model.yaml",
            "start": None,
            "pretrained": None,
            "view": [64, 96],
            "crop": [0.6, 1.0],
            "sources": [
                {"kind": "pairs", "folder": str(pairs_folder), "weight": 0.5},
                {"kind": "photos", "folder": str(photos_folder), "weight": 0.5},
            ],
            "validation": None,
            "output": name,
            "steps": 4,
            "batch": 2,
            "fault_fraction": 0.5,
            "overprint_fraction": 0.1,
            "learning_rate": 2e-3,
            "warmup": 2,
            "weight_decay": 0.01,
            "gradient_limit": 1.0,
            "average": 0.9,
            "checkpoint_every": 2,
            "validate_every": 100,
            "seed": 3,
            "loss": {
                "coarse": 1.0,
                "fine": 0.3,
                "subpixel": 0.5,
                "modality": 0.1,
                "gamma": 2.0,
                "fine_matches": 16,
            },
            "views": [{"side": [0.8, 0.95], "rotation": 5, "shift": 0.05, "jitter": 0.02, "weight": 1.0}],
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write
