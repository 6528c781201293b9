"""The command that calibrates the probability of a network's homographies: fit-probability."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base import resources
from distillmatch_ros.base.files import check_kind, check_suffix, write_bytes
from distillmatch_ros.cli.options import EngineOptions, Output, Warps
from distillmatch_ros.cli.view import common
from distillmatch_ros.evaluation.probability import check_number, collect, fit
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.probability import ENDING, ProbabilityModel
from distillmatch_ros.registration.registrar import SHIPPED_MODEL


def fit_probability(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="PAIRS_DIR...", help="Aligned pairs that the network was not trained on."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Where the coefficients go; by default NAME{ENDING} beside the network, where it is found.",
            show_default=False,
        ),
    ] = None,
    warps: Warps = 1,
    diagram: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the reliability diagram of held-out pairs as SVG.", show_default=False
        ),
    ] = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Calibrate the probability that a network's homographies are correct.

    Fits a logistic model to warped pairs with known homographies and to pairs that have no homography
    (mirrored, upside down, rotated, of two scenes). With fewer than 50 right or wrong homographies, it is
    shrunk to the shipped model. Registrar, node and bag load the file from beside the network.
    """
    network = engine.model or resources.find(SHIPPED_MODEL)
    target = out or network.with_name(f"{network.stem}{ENDING}")
    check_suffix(diagram, ".svg")
    output.check([target, diagram])
    check_kind(target, ".yaml", ".yml")
    pairs = [pair for folder in folders for pair in read_folder(folder)]
    check_number(len(pairs), warps)
    shipped = ProbabilityModel.load(resources.find(SHIPPED_MODEL).with_name(f"light{ENDING}"))
    with (
        replace(engine, model=network).open() as registrar,
        common.progress(hidden=output.quiet) as bar,
    ):
        task = bar.add_task("registering", total=len(pairs))
        samples = collect(registrar, pairs, warps=warps, on_pair=lambda: bar.advance(task))
        fitted, bins = fit(samples, registrar.engine.info.weights_hash, shipped)
    fitted.save(target)
    if diagram is not None:
        # Imported here: Matplotlib would slow down the start of every command.
        from distillmatch_ros.evaluation.diagram import reliability_svg

        write_bytes(diagram, reliability_svg(bins))
    rows = [(f"{one.probability:.2f}", f"{one.right:.2f}", str(one.samples)) for one in bins]
    output.give(
        {**asdict(fitted), "reliability": [asdict(one) for one in bins]},
        lambda: common.show_table(
            f"{target}: fitted on {fitted.samples} homographies of {len(pairs)} pairs",
            ("probability", "right", "samples"),
            rows,
            f"expected calibration error on held-out pairs: {fitted.calibration_error:.3f}",
        ),
    )
