"""Commands that measure what is answered wrongly: evaluate-streams, evaluate-impossible."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli.interruption import interruptible
from distillmatch_ros.cli.options import EngineOptions, Output, Settings
from distillmatch_ros.cli.streams import parameters_of
from distillmatch_ros.cli.view import common
from distillmatch_ros.evaluation import impossible, streams
from distillmatch_ros.evaluation.hostile_streams import KINDS, Kind
from distillmatch_ros.evaluation.panning import synthetic_place
from distillmatch_ros.images.pairs import PairPaths, files_of, read_folder
from distillmatch_ros.rig.learning import evenly


def _kind(name: str) -> Kind:
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None:
        names = ", ".join(kind.name for kind in KINDS)
        raise DistillMatchError(f"--kind {name}: is no kind of stream; name one of {names}")
    return found


def evaluate_streams(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="PAIRS_DIR",
            help="Aligned pairs: visible/NAME.ext, thermal/NAME.ext; by default rendered streets.",
        ),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(metavar="NAME", parser=_kind, help="Only this kind of stream; may be repeated."),
    ] = None,
    places: Annotated[
        int, typer.Option(metavar="N", min=2, help="Number of pairs, spread over the folder.")
    ] = 4,
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Length of each stream; a rig is known after 6 s.")
    ] = 12.0,
    settings: Settings = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Count wrong answers on streams that ask for them: hung or late cameras, overlays, repetition, knocks.

    A rig of known homography pans over the still of each pair; one thing goes wrong in each kind of stream.
    """
    from distillmatch_ros.stream.assembly import open_registrar

    pairs = [] if folder is None else _spread(folder, places)
    output.check(inputs=files_of(pairs))
    parameters, kinds = parameters_of(None, settings, engine), kind or KINDS
    if pairs:
        stills = {pair.visible.stem: streams.read_place(pair, seed) for seed, pair in enumerate(pairs)}
    else:
        stills = {f"street {seed}": synthetic_place(seed) for seed in range(places)}
    with (
        open_registrar(parameters) as registrar,
        interruptible() as stopped,
        common.progress(hidden=output.quiet) as bar,
    ):
        task = bar.add_task("evaluating", total=len(kinds) * len(stills))
        figures = streams.run(
            registrar,
            stills,
            kinds,
            lambda each: parameters.changed(each.settings).stream,
            seconds,
            partial(bar.advance, task),
            stopped.is_set,
        )
    summary = (
        f"{'rendered streets' if folder is None else folder}: {len(stills)} places, {seconds:g} s a stream"
    )
    output.give(
        [asdict(each) for each in figures],
        lambda: common.show_table(summary, streams.COLUMNS, streams.rows(figures), streams.LEGEND),
    )
    if stopped.is_set():
        raise KeyboardInterrupt("the table holds the streams so far")


def _spread(folder: Path, number: int) -> list[PairPaths]:
    pairs = read_folder(folder)
    if len(pairs) < 2:
        raise DistillMatchError(f"{folder}: holds one pair; streams that show another place need two")
    return [pairs[index] for index in evenly(len(pairs), number)]


def evaluate_impossible(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="PAIRS_DIR...",
            help="Aligned pairs of several places that the network was not trained on.",
        ),
    ],
    number: Annotated[
        int,
        typer.Option(
            "--pairs",
            metavar="N",
            min=1,
            help="Impossible pairs of each of the four kinds: 50 take minutes, 500 tell small fractions.",
        ),
    ] = 50,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of what is drawn.")] = 0,
    search: Annotated[
        bool,
        typer.Option(
            "--search",
            metavar="",
            help="Try other scales and rotations too, as `match` does, and streams after some failures; "
            "takes four times as long.",
        ),
    ] = False,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Count homographies that are accepted for pairs which no homography registers.

    The images are of two places, or the thermal one is mirrored or turned; half of the pairs have one
    display, logo or bonnet burnt into both images.
    """
    pairs = [pair for folder in folders for pair in read_folder(folder)]
    output.check(inputs=files_of(pairs))
    with (
        engine.open() as registrar,
        interruptible() as stopped,
        common.progress(hidden=output.quiet) as bar,
    ):
        task = bar.add_task("registering", total=number * len(impossible.KINDS))
        advance = partial(bar.advance, task)
        figures = impossible.count(registrar, pairs, number, seed, search, advance, stopped.is_set)
    output.give(
        [asdict(each) for each in figures],
        lambda: common.show_table(
            f"{', '.join(map(str, folders))}: {len(pairs)} pairs",
            impossible.COLUMNS,
            impossible.rows(figures),
            impossible.LEGEND,
        ),
    )
    if stopped.is_set():
        raise KeyboardInterrupt("the table holds the pairs so far")
