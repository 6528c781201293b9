"""The command that measures the ROS 2 node: benchmark-node."""

from dataclasses import asdict
from typing import Annotated

import typer

from distillmatch_ros.cli.options import Model, Output, Settings
from distillmatch_ros.cli.view import common


def benchmark_node(
    *,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0.1, help="Duration of the measurement, after a warm-up.")
    ] = 1.0,
    settings: Settings = None,
    pass_seconds: Annotated[
        list[float] | None,
        typer.Option(metavar="S", help="Value of the parameter pass_seconds; repeat to measure several."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Subscribe only to this output, such as homography; may be repeated. Else all but points.",
        ),
    ] = None,
    depth: Annotated[
        bool,
        typer.Option(
            "--depth", metavar="", help="A depth camera too, in mode rig with a rig known in metres."
        ),
    ] = False,
    output: Output,
    model: Model = None,
) -> None:
    """Measure the node between real processes: cameras of 640x512 at 30 Hz, and a subscriber.

    Reports pairs per second, their age, transport time, cores, jitter and memory. Needs ROS 2 for Python.
    """
    from distillmatch_ros.cli.view.node import show_node_benchmarks
    from distillmatch_ros.stream.outputs import chosen_outputs
    from distillmatch_ros.stream.settings import StreamSettings
    from distillmatch_ros.tools.node_benchmark import OUTPUTS, run_node_benchmark

    output.check()
    chosen = [*(settings or ()), *([] if model is None else [f"model={model.resolve()}"])]
    arguments = [argument for each in chosen for argument in ("-p", each.replace("=", ":=", 1))]
    outputs, seconds = chosen_outputs(only or OUTPUTS), 60 * minutes
    periods = pass_seconds or [StreamSettings().pass_seconds]
    with common.progress(hidden=output.quiet) as bar:
        task = bar.add_task("measuring", total=round(seconds) * len(periods))
        measured = [
            run_node_benchmark(seconds, period, arguments, outputs, lambda: bar.advance(task), depth)
            for period in periods
        ]
    output.give([asdict(each) for each in measured], lambda: show_node_benchmarks(measured))
