"""Commands that train and export a network: train, ablate, export."""

from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.files import check_outputs, check_suffix
from distillmatch_ros.cli.options import Overwrite
from distillmatch_ros.cli.program import needs_torch
from distillmatch_ros.cli.view import measures
from distillmatch_ros.images.pairs import read_folder


def train(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="A copy of the shipped config/training/rig.yaml."),
    ],
) -> None:
    """Train a network; an interrupted run is continued. Several GPUs: torchrun."""
    needs_torch("training.trainer").train(config)


def ablate(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="Training and rows, like the shipped config/training/ablation.yaml."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the networks, ablation.md and ablation.json.")
    ],
) -> None:
    """Train a network for each row of a table, and compare them; finished rows are not repeated."""
    ablation = needs_torch("training.ablation").ablate(config, out)
    measures.show_evaluation(ablation.figures, ablation.folder)


def export(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A .pt file written by train.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="ONNX file to write.")],
    precision: Annotated[str, typer.Option(metavar="fp32|fp16", help="Precision of the graph.")] = "fp32",
    int8: Annotated[
        Path | None,
        typer.Option(metavar="PAIRS_DIR", help="Quantise to int8 instead, calibrated on these pairs."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export trained weights as the ONNX network that --model takes."""
    check_suffix(target, ".onnx")
    check_outputs([target], overwrite)
    trained = needs_torch("model.weights").Weights.load(weights)
    if int8 is None:
        needs_torch("training.export").export(trained, target, precision)
    else:
        precision = "int8"
        needs_torch("training.quantisation").export_int8(trained, target, read_folder(int8))
    typer.echo(f"{target}: {precision} network of {trained.steps} steps, for --model")
