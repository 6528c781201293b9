"""The command that registers any number of bags: bag. Imports are local: rosbags is slow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distillmatch_ros.base.files import check_suffix
from distillmatch_ros.cli.interruption import interruptible
from distillmatch_ros.cli.options import EngineOptions, Output, Settings
from distillmatch_ros.cli.streams import (
    Params,
    Rgb,
    Thermal,
    complete_topic,
    fail_with,
    parameters_of,
    report_bags,
    topics_of,
)
from distillmatch_ros.cli.view import common
from distillmatch_ros.fleet.places import shown

if TYPE_CHECKING:
    from distillmatch_ros.fleet.run import Watch

FLEET = "Many bags"


def bag(
    bags: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="ROS 1 or ROS 2 bags: .bag, .mcap, .db3, or a folder; as paths, URLs, quoted patterns, or "
            "text files (.txt) that list these.",
        ),
    ],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="OUT.mcap, or a folder if there are several inputs; a path or a URL."
        ),
    ],
    rgb: Rgb = None,
    thermal: Thermal = None,
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC",
            help="Depth images, registered to the visible camera's or in a frame of their own, or points of "
            "a LiDAR: near things are mapped by them once the rig is known in metres.",
            autocompletion=complete_topic,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Write only this output, such as homography; may be repeated."),
    ] = None,
    rerun: Annotated[
        Path | None,
        typer.Option(
            metavar="RRD",
            help="Also write a recording for the viewer of Rerun: images, matches, overlay, status and "
            "probability over time, the cameras, and the thermal points. Needs the extra rerun.",
        ),
    ] = None,
    params: Params = None,
    settings: Settings = None,
    jobs: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Bags in parallel, each in a process with one engine thread.",
            rich_help_panel=FLEET,
        ),
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER",
            help="Dask workers: on this machine with two cores each, or those of a running scheduler, by its "
            "URL or scheduler file (.json).",
            rich_help_panel=FLEET,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            metavar="",
            help="Continue a run: skip the bags that the manifest in OUT records as done.",
            rich_help_panel=FLEET,
        ),
    ] = False,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Also write one row per pair to Parquet files in this folder.",
            rich_help_panel=FLEET,
        ),
    ] = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Register every pair of bags, and write what the node would publish.

    ROS is not needed. A truncated bag is processed as far as it can be read, with exit code 1. Ctrl-C leaves
    a complete bag of the pairs registered so far.
    """
    check_suffix(rerun, ".rrd")
    output.check([rerun], inputs=[*map(Path, bags), Path(out)])
    with _watching(output.quiet) as watch:
        from distillmatch_ros.fleet.plan import Order
        from distillmatch_ros.fleet.run import run_fleet
        from distillmatch_ros.stream.outputs import chosen_outputs

        parameters = parameters_of(params, settings, engine)
        summaries = run_fleet(
            bags,
            out,
            Order(parameters, topics_of(rgb=rgb, thermal=thermal, depth=depth), chosen_outputs(only)),
            jobs=jobs,
            cluster=cluster,
            table=table,
            rerun=None if rerun is None else str(rerun),
            overwrite=output.overwrite,
            resume=resume,
            watch=watch,
        )
    report_bags(summaries, output)
    if len(summaries) > 1:
        registered = sum(summary.pairs > 0 for summary in summaries)
        judged = f"distillmatch fleet {shown(table or out)}"
        common.remark(f"{registered} of {len(summaries)} bags have pairs; which to look at: {judged}")
    if watch.stop():
        raise KeyboardInterrupt("the bags hold what was registered so far")
    fail_with(summaries)


@contextmanager
def _watching(quiet: bool) -> Iterator["Watch"]:
    """Progress bar over frames if their number is known, else over bags; Ctrl-C stops the run.

    Imports come after `interruptible`: some packages swallow the exception that Ctrl-C raises otherwise.
    """
    with interruptible() as interrupted, common.progress(hidden=quiet) as bar:
        from distillmatch_ros.fleet.run import Watch

        task = bar.add_task("registering", total=None)
        read, by_frames = 0, True

        def begin(bags: int, frames: int | None) -> None:
            nonlocal by_frames
            by_frames = frames is not None
            bar.update(task, total=bags if frames is None else frames or None)

        def add_frames(number: int) -> None:
            nonlocal read
            read += number
            if by_frames:
                bar.advance(task, number)
            else:
                bar.update(task, description=f"registering, {read} frames")

        def add_bag() -> None:
            if not by_frames:
                bar.advance(task)

        yield Watch(
            begin, add_frames, add_bag, lambda note: common.remark(note, bar.console), interrupted.is_set
        )
