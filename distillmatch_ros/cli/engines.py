"""Commands for runtimes: build-engine, verify."""

from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli.options import Model, Output, Threads
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED
from distillmatch_ros.cli.view import common, engines
from distillmatch_ros.engines import EngineInfo, build_engine
from distillmatch_ros.engines.onnx_file import OnnxFile, half_path
from distillmatch_ros.engines.plans import BuildOptions
from distillmatch_ros.engines.registry import NAMES, check_backend
from distillmatch_ros.evaluation.verification import STEPS, verify
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.registrar import SHIPPED_MODEL


@dataclass(frozen=True)
class BuiltEngine(EngineInfo):
    """A TensorRT engine that was built, or found in the cache.

    Attributes:
        plan: path of its file.
        seconds: build time, s; None for an engine that was found in the cache.
    """

    plan: str
    seconds: float | None


class Precision(str, Enum):
    """Floating-point precision of the graph that an engine is built from."""

    FP16 = "fp16"
    FP32 = "fp32"


def build(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="ONNX network; by default the shipped light network."),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            metavar="fp16|fp32",
            help="By default fp16 if MODEL_fp16.onnx is beside the model.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        int, typer.Option(metavar="0-5", min=0, max=5, help="How long to search for faster kernels.")
    ] = BuildOptions.level,
    workspace: Annotated[
        int, typer.Option(metavar="MIB", min=1, help="GPU memory that a kernel may work in.")
    ] = BuildOptions.workspace_mib,
    *,
    output: Output,
) -> None:
    """Build the TensorRT engine of a network for this machine's GPU, which takes minutes.

    The engine is kept in this user's cache, where --backend auto finds it. An engine that exists is not
    built again.
    """
    output.check()
    network = _graph(model or resources.find(SHIPPED_MODEL), precision)
    with common.progress(hidden=output.quiet) as bar:
        built = build_engine(network, BuildOptions(level, workspace), engines.build_phases(bar))
    built.engine.close()
    info, plan, seconds = built.engine.info, built.plan.path, built.build_seconds
    record = BuiltEngine(**asdict(info), plan=str(plan), seconds=seconds)
    output.give(asdict(record), lambda: engines.show_engine(info, plan, seconds))


def verify_backends(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="PAIRS_DIR", help="Pairs to compare on; by default rendered streets."),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="At most this many pairs of the folder.")
    ] = 12,
    *,
    output: Output,
    model: Model = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            parser=partial(check_backend, choices=NAMES),
            help=f"What the others are compared with: {', '.join(NAMES)}.",
        ),
    ] = "onnx",
    threads: Threads = None,
) -> None:
    """Compare every installed runtime with a reference, by default ONNX Runtime in float32 on the CPU.

    The exit code is 1 if points, confidences or homographies of a runtime are beyond the limits.
    """
    output.check()
    listed = [] if folder is None else read_folder(folder)[:limit]
    pairs = [(read_image(pair.visible), read_thermal(pair.thermal)) for pair in listed]
    with common.progress(hidden=output.quiet) as bar:
        task = bar.add_task("verifying", total=STEPS)
        verification = verify(model, pairs, threads, backend, on_backend=lambda: bar.advance(task))
    output.give(asdict(verification), lambda: engines.show_verification(verification))
    if any(compared.faults for compared in verification.compared):
        raise typer.Exit(SOME_INPUTS_FAILED)


def _graph(path: Path, precision: Precision | None) -> OnnxFile:
    """The graph of a network in the given precision; by default half precision if there is such a graph."""
    network = OnnxFile.read(path)
    if precision is Precision.FP32 and network.info.precision == "fp16":
        raise DistillMatchError(
            f"{path}: is a half-precision graph; name the fp32 graph that it was exported with"
        )
    half = None if precision is Precision.FP32 else network.in_half()
    if half is None and precision is Precision.FP16:
        raise DistillMatchError(
            f"{half_path(path)}: no half-precision graph of these weights; `distillmatch export WEIGHTS "
            f"{half_path(path).name} --precision fp16` writes it"
        )
    return half or network
