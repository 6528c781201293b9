"""Commands that translate visible images into pseudo-thermal images: train-gan, translate, evaluate-gan."""

from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.files import check_outputs, write_json, write_text
from distillmatch_ros.cli.options import AlignedPairs, Output, Overwrite
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED, needs_torch
from distillmatch_ros.cli.view import common

Gan = Annotated[Path, typer.Option("--weights", metavar="FILE", help="A .pt file that train-gan wrote.")]


def train_gan(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="A copy of the shipped config/training/gan-light.yaml.",
        ),
    ],
) -> None:
    """Train the translation of visible images into thermal ones; an interrupted run is continued."""
    needs_torch("training.gan.trainer").train_gan(config)


def translate(
    folder: Annotated[Path, typer.Argument(metavar="VISIBLE_DIR", help="Folder of visible images.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for NAME.png, 8-bit grey.")],
    weights: Gan,
    overwrite: Overwrite = False,
) -> None:
    """Make a pseudo-thermal image from every image in a folder."""
    translation = needs_torch("training.gan.translation")
    listed = translation.targets(folder, out)
    check_outputs((target for _, target in listed), overwrite)
    failed = 0
    with common.progress() as bar:
        results = translation.translate_files(weights, listed)
        for error in bar.track(results, total=len(listed), description="translating"):
            if error is not None:
                failed += 1
                common.complain(str(error), bar.console)
    typer.echo(f"{len(listed) - failed} of {len(listed)} images translated: {out}")
    if failed:
        raise typer.Exit(SOME_INPUTS_FAILED)


def evaluate_gan(
    folder: AlignedPairs,
    weights: Gan,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random tone curves.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write translation.json and translation.md.")
    ] = None,
    *,
    output: Output,
) -> None:
    """Evaluate a translation on real thermal images, compared with grey images and random tone curves."""
    measures = needs_torch("training.gan.measures")
    written = [] if out is None else [out / "translation.json", out / "translation.md"]
    output.check(written)
    measured = measures.measure(weights, folder, seed)
    if out is not None:
        write_json(out / "translation.json", measured.record())
        write_text(out / "translation.md", measured.to_markdown())
    rows = [figures.row() for figures in measured.figures]
    output.give(
        measured.record(),
        lambda: common.show_table(measured.summary(), measures.COLUMNS, rows, f"{measures.LEGEND}."),
    )
