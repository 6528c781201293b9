"""Commands that measure on images: evaluate, benchmark."""

from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_json, write_text
from distillmatch_ros.cli.interruption import interruptible
from distillmatch_ros.cli.options import EngineOptions, Output, Warps
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED, fail_with_errors
from distillmatch_ros.cli.rig_options import AUTO
from distillmatch_ros.cli.view import common, measures
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation import rig as rigs
from distillmatch_ros.evaluation.accuracy import Register, compare, compare_known
from distillmatch_ros.evaluation.baselines import BASELINES, CLASSIC, open_baselines
from distillmatch_ros.evaluation.comparison import check_common, compared, read_evaluation
from distillmatch_ros.evaluation.latency import read_images, run_benchmark
from distillmatch_ros.evaluation.statistics import grouped
from distillmatch_ros.evaluation.truth import read_truths
from distillmatch_ros.evaluation.warped import ALL, HARD, PRESETS, RIG, SMALL, WIDE
from distillmatch_ros.images.pairs import files_of, read_folder
from distillmatch_ros.rig.files import RigFile


class PresetName(str, Enum):
    """The presets of an evaluation, as the command line spells them."""

    RIG = RIG.name
    HARD = HARD.name
    SMALL = SMALL.name
    WIDE = WIDE.name


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS_DIR|CSV",
            help="Aligned pairs: visible/NAME.ext, thermal/NAME.ext; or a CSV of pairs with their truth.",
        ),
    ],
    preset: Annotated[
        list[PresetName],
        typer.Option(
            metavar="rig|hard|small|wide",
            help="Random homographies of a rig, or hard ones; both by default. small: a thermal image of "
            "160x120; wide: the thermal camera sees 1.5 times as much as the visible one.",
            show_default=False,
        ),
    ] = [PresetName.RIG, PresetName.HARD],  # noqa: B006 (typer copies it)
    warps: Warps = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random homographies.")] = 0,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Methods to compare with, or none: {', '.join(BASELINES)}. Those after akaze need "
            "the extra peers.",
        ),
    ] = ",".join(CLASSIC),
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="evaluation.json of another network: is this one better on the same trials?"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write evaluation.json, .md, .csv and .tex.")
    ] = None,
    rig: Annotated[
        str | None,
        typer.Option(
            metavar="auto|FILE",
            help="Accuracy by drive of a rig instead: PAIRS_DIR holds raw pairs of a drive, or a folder "
            "for each drive. auto: learned from the other drives, or from the other half of a single one; or "
            "a file of calibrate.",
        ),
    ] = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Evaluate accuracy on aligned pairs, compared with baselines; or that of a rig on raw pairs.

    Each thermal image is warped by known homographies; errors are the mean over its corners, in pixels of a
    visible image 640 px wide. A CSV in place of the folder lists pairs as they are, with their homographies
    (h00 to h22) or clicked points (x_visible, y_visible, x_thermal, y_thermal), at which errors are then the
    mean.
    """
    presets = [each for each in ALL if each.name in preset]
    if rig is not None:
        if out is not None or against is not None:
            raise DistillMatchError("--rig: measures drives; leave out --out and --against, and write --json")
        _evaluate_rig(folder, None if rig == AUTO else Path(rig), output, engine)
        return
    known = read_truths(folder) if folder.suffix.lower() == ".csv" else []
    pairs = [each.pair for each in known] or read_folder(folder)
    if known and (presets, warps, seed) != (list(PRESETS), 3, 0):
        raise DistillMatchError(
            f"{folder}: its pairs are taken as they are; leave out --preset, --warps and --seed"
        )
    earlier = None if against is None else read_evaluation(against)
    if earlier is not None:
        names = {each.preset for each in known} or {each.name for each in presets}
        check_common(earlier, [each.listed_as[0] for each in pairs], names, None if known else seed)
    written = [] if out is None else [out / f"evaluation.{kind}" for kind in ("json", "md", "csv", "tex")]
    output.check(written, [*files_of(pairs), *([folder] if known else []), against])
    others = open_baselines(_baselines(baselines))
    with (
        engine.open() as registrar,
        interruptible("nothing is written") as stopped,
        common.progress(hidden=output.quiet) as bar,
    ):
        network = registrar.engine.info
        task = bar.add_task("evaluating", total=len(pairs))
        own: Register = partial(registrar.register, search=True, verify=True)
        methods = {network.config: own, **others}
        watch = partial(bar.advance, task), stopped.is_set
        if known:
            evaluated = compare_known(methods, known, *watch)
        else:
            evaluated = compare(methods, pairs, presets, seed, warps, *watch)
    groups = grouped(evaluated.trials)
    ours = [trial for trial in evaluated.trials if trial.method == network.config]
    versus = [] if earlier is None else compared(ours, network, earlier)
    about = str(folder), network, groups, versus
    record = report.record(evaluated, *about)
    if out is not None:
        write_json(out / "evaluation.json", record)
        write_text(out / "evaluation.md", report.to_markdown(evaluated, *about))
        write_text(out / "evaluation.csv", report.to_csv(evaluated))
        write_text(out / "evaluation.tex", report.to_latex(evaluated, groups, versus))
    output.give(record, lambda: measures.show_evaluation(evaluated, str(folder), groups, versus))
    if stopped.is_set():
        raise KeyboardInterrupt(f"evaluated {evaluated.pairs} of {len(pairs)} pairs")
    problems = [each.reason for each in evaluated.unreadable]
    if evaluated.turned:
        problems.append(
            f"{folder}: {evaluated.turned} of {evaluated.pairs} pairs would be right if what is known of "
            "them were given from visible to thermal pixels; invert it"
        )
    fail_with_errors(problems)


def _evaluate_rig(folder: Path, file: Path | None, output: Output, engine: EngineOptions) -> None:
    """What a rig leaves between edges, and from matches, on each drive of a folder."""
    known = None if file is None else RigFile.load(file).rig
    drives = rigs.drives_below(folder)
    output.check([], [*(path for pairs in drives.values() for path in files_of(pairs)), file])
    with engine.open() as registrar, common.progress(hidden=output.quiet) as bar:
        task = bar.add_task("registering", total=sum(map(len, drives.values())))
        observed = {
            name: rigs.observe_drive(registrar, pairs, lambda: bar.advance(task))
            for name, pairs in drives.items()
        }
        accuracies = rigs.evaluate_rig(observed, known)
    output.give(rigs.record(accuracies), lambda: measures.show_drives(accuracies, str(folder)))


def _baselines(text: str) -> list[str]:
    """The names in a comma-separated list."""
    names = [] if text == "none" else [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in BASELINES]:
        raise typer.BadParameter(
            f"--baselines has {unknown[0]!r}; write none alone, or some of {', '.join(BASELINES)}"
        )
    return names


def benchmark(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="PAIRS_DIR", help="Pairs to register; by default a rendered street."),
    ] = None,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Timed registrations, after a warm-up.")] = 50,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Measure latency by stage on 640x512 pairs, start-up time and memory."""
    output.check()
    pairs = [] if folder is None else read_folder(folder)[:runs]
    try:
        images = read_images(pairs)
    except DistillMatchError as error:
        common.complain(str(error))
        raise typer.Exit(SOME_INPUTS_FAILED) from error
    with common.progress(hidden=output.quiet) as bar:
        task = bar.add_task("measuring", total=runs)
        measured = run_benchmark(
            engine.model,
            images,
            source="synthetic street" if folder is None else str(folder),
            backend=engine.backend,
            threads=engine.threads,
            runs=runs,
            on_run=lambda: bar.advance(task),
        )
    output.give(asdict(measured), lambda: measures.show_benchmark(measured))
