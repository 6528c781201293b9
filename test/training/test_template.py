"""The shipped configurations, which people fill in for their own rig."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import ROOT
from support.cli import run

from distillmatch_ros.training.ablation import AblationConfig, plan
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.gan.config import GanConfig

SHIPPED = sorted((ROOT / "config/training").glob("*.yaml"))
OWN = ("rig", "runs")
"""Folders beside ``config`` that are the user's; the repository leaves them out."""


def folder_of_pairs(path: Path) -> Path:
    if path.stem.startswith("gan"):
        return GanConfig.load(path).pairs
    training = AblationConfig.load(path).training if path.stem == "ablation" else path
    return TrainingConfig.load(training).sources[0].folder


def test_a_rig_is_trained_like_the_shipped_network_and_from_it() -> None:
    rig, light = (TrainingConfig.load(ROOT / f"config/training/{name}.yaml") for name in ("rig", "light"))
    assert rig.start == ROOT / "models/light.pt" and rig.start.exists()
    assert rig.output != light.output
    own = {name: getattr(light, name) for name in ("start", "sources", "validation", "output")}
    assert replace(rig, **own) == light


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_paths_ship_or_are_placeholders_for_the_users_own(path: Path) -> None:
    assert folder_of_pairs(path) == ROOT / "rig/train"
    named = re.findall(r"(?:\.\./)+[\w./-]+", path.read_text())
    for each in named:
        place = (path.parent / each.rstrip(".")).resolve().relative_to(ROOT)  # never outside
        assert place.parts[0] in OWN or (ROOT / place).exists(), each
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {f"/{folder}/" for folder in OWN} <= set(ignored)


def test_each_row_of_the_ablation_can_be_trained_once_its_files_are_there(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "models").symlink_to(ROOT / "models")
    for folder in ("train", "thermal", "photos"):
        (tmp_path / "rig" / folder).mkdir(parents=True)
    for file in ("pretrained/efficientnet-lite0.pth", "gan-light/weights.pt"):
        path = tmp_path / "runs" / file
        path.parent.mkdir(parents=True)
        path.touch()
    common, rows = plan(tmp_path / "config/training/ablation.yaml", tmp_path / "out")
    assert len({str(replace(row.stages[-1], output=tmp_path)) for row in rows}) == len(rows) - 1
    assert all(stage.batch == common.batch for row in rows for stage in row.stages)


@pytest.mark.slow
def test_the_documented_gan_command_works_once_there_are_pairs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "models").symlink_to(ROOT / "models")
    for side in ("visible", "thermal"):
        for part in ("train", "validation"):
            folder = tmp_path / "rig" / part / side
            folder.mkdir(parents=True)
            for name in "ab":
                noise = np.random.default_rng(ord(name)).integers(0, 256, (16, 20), np.uint8)
                cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(noise, (640, 512)))
    path = tmp_path / "config/training/gan-light.yaml"
    path.write_text(re.sub(r"steps: \d+", "steps: 1", path.read_text(), count=1))
    result = run("train-gan", path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "runs/gan-light/weights.pt").exists()
