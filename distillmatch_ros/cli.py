"""``distillmatch ...``: parses and calls."""

import importlib
from collections import Counter
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distillmatch_ros import report, terminal
from distillmatch_ros.baselines import FeatureMatcher
from distillmatch_ros.benchmark import read_images, run_benchmark
from distillmatch_ros.demo import run_demo
from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.evaluation import HARD, PRESETS, RIG, compare
from distillmatch_ros.matching import ERROR, match_files, write_lines
from distillmatch_ros.output import STANDARD_OUTPUT, make_folder, write_json, write_text, writing
from distillmatch_ros.pairs import PairPaths, read_csv, read_folder
from distillmatch_ros.registration import Registrar

SOME_INPUTS_FAILED, WRONG_USE = 1, 2


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command; what a person can mend ends as one line instead of a traceback."""
        try:
            return super().invoke(ctx)
        except DistillMatchError as error:
            terminal.complain(str(error))
            raise typer.Exit(WRONG_USE) from error


class PresetName(str, Enum):
    """The presets of an evaluation, as the command line spells them."""

    RIG = RIG.name
    HARD = HARD.name


Model = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="Network; by default the shipped light one.")
]
Backend = Annotated[str, typer.Option(metavar="NAME", help="Runtime: auto, onnx or torch.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; by default one for each core this process may use.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Results for programs; - is standard output.")
]

app = typer.Typer(
    name="distillmatch",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Register visible and thermal images: correspondences and a homography that can be relied on.",
    epilog="Exit codes: 0 done, 1 some inputs failed, 2 wrong use. A refused homography is a result.",
)


@app.command()
def match(
    visible: Annotated[Path | None, typer.Argument(metavar="VISIBLE", help="Visible image.")] = None,
    thermal: Annotated[Path | None, typer.Argument(metavar="THERMAL", help="Thermal image.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Many pairs: header visible,thermal; paths relative to the CSV."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the registered thermal image, an overlay and the matches."),
    ] = None,
    json_file: JsonFile = None,
    points: Annotated[bool, typer.Option("--points", help="Add every correspondence to --json.")] = False,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Register one pair of images, or all pairs of a CSV.

    The homography maps thermal pixels to visible pixels. With --json: one object a line, in order.
    """
    listed = _listed_pairs(visible, thermal, pairs)
    if points and json_file is None:
        raise typer.BadParameter("--points adds to --json, which is missing.")
    single, quiet = pairs is None, json_file == STANDARD_OUTPUT
    counts: Counter[str] = Counter()
    with (
        Registrar.open(model, backend=backend, threads=threads) as registrar,
        terminal.progress(hidden=single or quiet) as bar,
    ):
        results = match_files(registrar, listed, out)
        if json_file is not None:
            results = write_lines(results, json_file, points)
        for result in bar.track(results, total=len(listed), description="registering"):
            counts[result.status] += 1
            if result.error is not None:
                terminal.complain(result.error, bar.console)
            elif single and not quiet:
                terminal.show_pair(result)
    if not single and not quiet:
        terminal.show_counts(counts)
    if counts[ERROR]:
        raise typer.Exit(SOME_INPUTS_FAILED)


@app.command()
def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="PAIRS_DIR", help="Aligned pairs: visible/NAME.ext, thermal/NAME.ext.")
    ],
    preset: Annotated[
        list[PresetName],
        typer.Option(help="How far apart the cameras stand; both by default.", show_default=False),
    ] = [PresetName.RIG, PresetName.HARD],  # noqa: B006 (typer copies it)
    warps: Annotated[int, typer.Option(min=1, help="Random homographies per pair and preset.")] = 3,
    seed: Annotated[int, typer.Option(help="What the homographies are drawn from.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write evaluation.json and evaluation.md.")
    ] = None,
    json_file: JsonFile = None,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Measure accuracy on aligned pairs, beside SIFT and AKAZE.

    Each thermal image is warped by known homographies; the figures tell the mean error of its corners in
    pixels of a visible image 640 px wide.
    """
    pairs = read_folder(folder)
    if out is not None:
        make_folder(out)
    with (
        Registrar.open(model, backend=backend, threads=threads) as registrar,
        terminal.progress(hidden=json_file == STANDARD_OUTPUT) as bar,
    ):
        engine = registrar.engine.info
        task = bar.add_task("evaluating", total=len(pairs))
        evaluated = compare(
            {
                engine.config: lambda visible, thermal: registrar.register(visible, thermal).homography,
                "SIFT": FeatureMatcher.sift(),
                "AKAZE": FeatureMatcher.akaze(),
            },
            pairs,
            [known for known in PRESETS if known.name in preset],
            seed,
            warps,
            on_pair=lambda: bar.advance(task),
        )
    if out is not None:
        write_json(out / "evaluation.json", report.record(evaluated, str(folder), engine))
        write_text(out / "evaluation.md", report.to_markdown(evaluated, str(folder), engine))
    if json_file is not None:
        write_json(json_file, report.record(evaluated, str(folder), engine))
    if json_file != STANDARD_OUTPUT:
        terminal.show_evaluation(evaluated, str(folder))
    for pair in evaluated.unreadable:
        terminal.complain(pair.reason)
    if evaluated.unreadable:
        raise typer.Exit(SOME_INPUTS_FAILED)


@app.command()
def benchmark(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="PAIRS_DIR", help="Pairs to register; by default a synthetic street."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed registrations, after a warm-up.")] = 50,
    json_file: JsonFile = None,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Measure latency by stage on 640x512 pairs, start-up time and memory."""
    pairs = [] if folder is None else read_folder(folder)[:runs]
    try:
        images = read_images(pairs)
    except DistillMatchError as error:
        terminal.complain(str(error))
        raise typer.Exit(SOME_INPUTS_FAILED) from error
    with terminal.progress(hidden=json_file == STANDARD_OUTPUT) as bar:
        task = bar.add_task("measuring", total=runs)
        measured = run_benchmark(
            model,
            images,
            source="synthetic street" if folder is None else str(folder),
            backend=backend,
            threads=threads,
            runs=runs,
            on_run=lambda: bar.advance(task),
        )
    if json_file is not None:
        write_json(json_file, asdict(measured))
    if json_file != STANDARD_OUTPUT:
        terminal.show_benchmark(measured)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where images and pictures go.")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Which street.")] = 0,
    json_file: JsonFile = None,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Register a synthetic street by day and by night, and measure it against its known geometry."""
    with Registrar.open(model, backend=backend, threads=threads) as registrar:
        scenes = run_demo(registrar, out, seed)
    if json_file is not None:
        errors = [
            {"found": scene.found and asdict(scene.found), "best": asdict(scene.best)} for scene in scenes
        ]
        write_json(json_file, [scene.result.record() | px for scene, px in zip(scenes, errors, strict=True)])
    if json_file != STANDARD_OUTPUT:
        terminal.show_demo(scenes, out)


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="Such as config/training/light.yaml; paths relative to it."),
    ],
) -> None:
    """Train a network; a run that was interrupted goes on where it was. Several GPUs: torchrun."""
    _needs_torch("training.trainer").train(config)


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A .pt file that training wrote.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="ONNX file to write.")],
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32 or fp16.")] = "fp32",
) -> None:
    """Turn trained weights into the ONNX network that --model takes."""
    trained = _needs_torch("model.weights").Weights.load(weights)
    with writing(target):
        _needs_torch("training.export").export(trained, target, precision)


def main() -> None:
    """Entry point of the ``distillmatch`` program."""
    app()


def _listed_pairs(visible: Path | None, thermal: Path | None, pairs: Path | None) -> list[PairPaths]:
    if pairs is not None:
        if visible is not None:
            raise typer.BadParameter("Give VISIBLE THERMAL or --pairs CSV, not both.")
        return read_csv(pairs)
    if visible is None or thermal is None:
        raise typer.BadParameter("Give VISIBLE THERMAL, or --pairs CSV.")
    return [PairPaths.of(visible, thermal)]


def _needs_torch(module: str) -> ModuleType:
    """A module of ``distillmatch_ros`` that needs the packages of the extra ``train``."""
    try:
        return importlib.import_module(f"distillmatch_ros.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("distillmatch_ros"):
            raise
        raise DistillMatchError(
            f"this command needs {error.name}, which is not installed: pip install 'distillmatch_ros[train]'"
        ) from error


if __name__ == "__main__":
    main()
