"""The command demo, and what the commands of bags share. Imports are local: rosbags is slow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli.interruption import interruptible
from distillmatch_ros.cli.options import EngineOptions, Output
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED
from distillmatch_ros.cli.view import common

if TYPE_CHECKING:
    from distillmatch_ros.bags.job import BagJob
    from distillmatch_ros.bags.summary import BagSummary
    from distillmatch_ros.registration.registrar import Registrar
    from distillmatch_ros.stream.parameters import Parameters
    from distillmatch_ros.stream.sensors import Sensor
    from distillmatch_ros.stream.stream import Stream

TOPICS = "Topics (required where names and encodings do not tell which is which)"


def complete_topic(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a topic option in the shell with the image topics of the bags on the command line."""
    from distillmatch_ros.bags.reading import Bag

    found: dict[str, str] = {}
    # While the command line is incomplete, paths may be assigned to the wrong parameter.
    named = [*(ctx.params.get("bags") or ()), *(ctx.params.get("sources") or ())]
    given = [*named, ctx.params.get("out"), *ctx.args]
    for path in filter(None, given):
        with suppress(DistillMatchError), Bag(Path(path)) as bag:
            found |= {topic.name: f"{topic.count} messages" for topic in bag.images}
    return [(name, held) for name, held in found.items() if name.startswith(incomplete)]


def _topic_option(name: str, camera: str) -> Any:
    return typer.Option(
        name,
        metavar="TOPIC",
        help=f"Image topic of the {camera} camera.",
        rich_help_panel=TOPICS,
        autocompletion=complete_topic,
    )


Rgb = Annotated[str | None, _topic_option("--rgb", "visible")]
Thermal = Annotated[str | None, _topic_option("--thermal", "thermal")]
Params = Annotated[
    Path | None,
    typer.Option(
        "--params", metavar="FILE", help="Parameters of the node: a copy of the shipped config/fusion.yaml."
    ),
]


def topics_of(**named: str | None) -> "dict[Sensor, str]":
    """The topics that were named, by sensor."""
    from distillmatch_ros.stream.sensors import Sensor

    return {sensor: topic for sensor in Sensor if (topic := named.get(sensor.namespace)) is not None}


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for bags, images and report: some 100 MB.")
    ] = Path("out/demo"),
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the synthetic street.")] = 0,
    frames: Annotated[int, typer.Option(metavar="N", min=1, help="Image pairs of the drive.")] = 30,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Render a drive along a synthetic street, register it in the running node and as a bag, and compare.

    Without ROS 2 the node is left out.
    """
    from distillmatch_ros.cli.view import streams
    from distillmatch_ros.demo.run import OUTPUTS, run_demo
    from distillmatch_ros.demo.story import write_page

    parameters = parameters_of(None, None, engine)
    output.check(out / name for name in OUTPUTS)
    result = run_demo(
        parameters,
        out,
        seed=seed,
        frames=frames,
        on_step=streams.tell if not output.quiet else lambda _: None,
    )
    write_page(result)
    output.give(result.record(), lambda: streams.show_demo(result))


@contextmanager
def registering(frames: int, quiet: bool) -> Iterator[tuple[Callable[[], None], Callable[[], bool]]]:
    """Progress bar: yields a callback for each frame, and a test whether Ctrl-C was pressed."""
    with interruptible() as interrupted, common.progress(hidden=quiet) as bar:
        task = bar.add_task("registering", total=frames or None)
        yield lambda: bar.advance(task), interrupted.is_set


class Taker(Protocol):
    """Takes in the pairs of drives, as `calibrate` and `align` do."""

    parameters: "Parameters"

    def add_files(
        self, path: Path, registrar: "Registrar", on_pair: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a folder or a CSV."""

    def add_bag(
        self, job: "BagJob", stream: "Stream", on_frame: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a bag."""


def take_drives(
    taker: Taker,
    sources: list[Path],
    rgb: str | None,
    thermal: str | None,
    quiet: bool,
    lost: str,
    depth: str | None = None,
) -> None:
    """Give all pairs of the sources to a taker; lists of files first, then bags, perhaps with depth.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; ``lost`` tells what becomes of it.
    """
    from distillmatch_ros.bags.drives import is_list, listed
    from distillmatch_ros.bags.first_images import check_one_rig
    from distillmatch_ros.bags.guess import count_frames
    from distillmatch_ros.stream.assembly import open_registrar, open_stream

    parameters = taker.parameters
    lists = [source for source in sources if is_list(source)]
    jobs = _jobs(sources, parameters, rgb=rgb, thermal=thermal, depth=depth)
    if depth is not None and not jobs:
        raise typer.BadParameter("--depth needs a bag.")
    bags = [[job.bag, *job.others] for job in jobs]
    total = sum(len(listed(source)) for source in lists) + (count_frames(bags, rgb) or 0)
    check_one_rig(jobs)
    with open_registrar(parameters) as registrar, registering(total, quiet) as (on_frame, stop):
        stream = open_stream(parameters, registrar)
        for add in (
            *(partial(taker.add_files, source, registrar, on_frame, stop) for source in lists),
            *(partial(taker.add_bag, job, stream, on_frame, stop) for job in jobs),
        ):
            add()
            if stop():
                raise KeyboardInterrupt(lost)


def _jobs(sources: list[Path], parameters: "Parameters", **topics: str | None) -> "list[BagJob]":
    """The bags among the sources, each drive as one job without an output."""
    from distillmatch_ros.bags.drives import is_list
    from distillmatch_ros.bags.job import BagJob
    from distillmatch_ros.bags.joining import drives_in

    bags = drives_in([each for each in sources if not is_list(each)], topics["rgb"], topics["thermal"])
    return [
        BagJob(first, None, topics_of(**topics), (), parameters.undistort, others=tuple(others))
        for first, *others in bags
    ]


def parameters_of(file: Path | None, settings: list[str] | None, engine: EngineOptions) -> "Parameters":
    from distillmatch_ros.stream.parameter_files import read_parameters

    parameters = read_parameters(file, settings or [])
    return parameters.replace(
        model=parameters.model if engine.model is None else str(engine.model),
        backend=parameters.backend if engine.backend == "auto" else engine.backend,
        threads=engine.threads or parameters.threads,
    )


def report_bags(summaries: "list[BagSummary]", output: Output) -> None:
    from distillmatch_ros.cli.view import streams

    output.give([summary.record() for summary in summaries], lambda: streams.show_bags(summaries))
    tell_problems(summaries)


def tell_problems(summaries: "list[BagSummary]") -> None:
    """Print notes and problems of bags on standard error."""
    for summary in summaries:
        for note in summary.notes:
            common.remark(f"{summary.bag}: {note}")
        for problem in summary.problems:
            common.complain(f"{summary.bag}: {problem}" if summary.bag not in problem else problem)


def fail_with(summaries: "list[BagSummary]") -> None:
    if any(summary.problems for summary in summaries):
        raise typer.Exit(SOME_INPUTS_FAILED)
