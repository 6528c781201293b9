"""Validation during training, with the trials of ``distillmatch evaluate``."""

from pathlib import Path

from distillmatch_ros.engines.torch import TorchEngine
from distillmatch_ros.evaluation.accuracy import evaluate
from distillmatch_ros.evaluation.warped import PRESETS
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.registration.registrar import Registrar


def validate(network: DistillMatch, folder: Path, warps: int = 1) -> dict[str, float]:
    """Register warped pairs of a folder; returns figures by name, such as ``rig/auc_10``."""
    pairs = read_folder(folder)
    figures = {}
    with Registrar(TorchEngine(network)) as registrar:
        for preset in PRESETS:
            score = evaluate(lambda v, t: registrar.register(v, t).homography, pairs, preset, warps=warps)
            figures[f"{preset.name}/auc_10"] = score.auc_10
            figures[f"{preset.name}/under_10_px"] = score.under_10_px
            figures[f"{preset.name}/median_px"] = min(score.median_px, 100.0)
            figures[f"{preset.name}/rejections"] = score.rejections
            figures[f"{preset.name}/wrong"] = score.wrong
    return figures
