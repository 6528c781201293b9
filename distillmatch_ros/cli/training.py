"""Commands that train a network and bring it to a robot: train, export."""

from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.cli.program import app, needs_torch
from distillmatch_ros.output import writing


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="Such as config/training/light.yaml; paths relative to it."),
    ],
) -> None:
    """Train a network; a run that was interrupted goes on where it was. Several GPUs: torchrun."""
    needs_torch("training.trainer").train(config)


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A .pt file that training wrote.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="ONNX file to write.")],
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32 or fp16.")] = "fp32",
) -> None:
    """Turn trained weights into the ONNX network that --model takes."""
    trained = needs_torch("model.weights").Weights.load(weights)
    with writing(target):
        needs_torch("training.export").export(trained, target, precision)
