#!/usr/bin/env python3
"""Verifies and times the shipped network in every runtime of a machine with an NVIDIA GPU, in a given time.

    python tools/gpu_check.py OUT               # from a checkout; six minutes at most
    python tools/gpu_check.py OUT --rehearse    # where there is no GPU: what can run, runs on the CPU

Needs no network, and nothing installed but what it imports. Each variant runs in a process of its own, so
that one that crashes or hangs costs its own figures alone; results are written after each. A variant is
faulty where it differs from float32 on the CPU (ONNX Runtime) beyond the limits of `distillmatch verify`.

Writes OUT/gpu_check.json and OUT/gpu_check.md. Exit code 1 if a variant is faulty or fails, or none runs.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout that this script belongs to

SECONDS = 340
"""Time for everything, six minutes less what starting takes."""
LEAST_S = 10
"""Time below which no further variant is begun."""
WARM_UP, RUNS, REGISTRATIONS = 10, 100, 20
REHEARSED = 1, 2, 2
"""The same for a rehearsal, whose times say nothing."""


@dataclass(frozen=True)
class Result:
    """One variant.

    Attributes:
        variant: its name.
        state: ``ok``; ``faulty``: it runs and differs; ``failed``: an error, or its time was over;
            ``absent``: this machine lacks what it needs; ``no time``: it was not begun.
        device: runtime, device and threads.
        engine_ms: one run of the network with copies to and from the device: median and 95th percentile, ms.
        registration_ms: from two 640x512 images to the homography, likewise.
        figures: comparison with the reference; see `verification.Comparison`.
        why: reasons for any state but ``ok``.
        seconds: what the variant took, start of its process included.
    """

    variant: str
    state: Literal["ok", "faulty", "failed", "absent", "no time"]
    device: str | None = None
    engine_ms: dict[str, float] | None = None
    registration_ms: dict[str, float] | None = None
    figures: dict[str, Any] | None = None
    why: str = ""
    seconds: float = 0.0


def torch_engine(path: Path, *, graph: bool, half: bool, rehearse: bool) -> Any:
    """The weights beside the ONNX file in PyTorch, eagerly or as a CUDA graph; half precision is autocast."""
    from distillmatch_ros.engines.onnx_file import weights_path
    from distillmatch_ros.engines.protocol import BackendMissingError

    if not weights_path(path).is_file():  # asked first: PyTorch takes seconds to import
        raise BackendMissingError(f"{weights_path(path)}: no such file")
    try:
        import torch
    except ImportError as error:
        raise BackendMissingError(f"PyTorch is not installed ({error})") from error
    from distillmatch_ros.engines.torch import TorchEngine
    from distillmatch_ros.model.weights import Weights

    if not (torch.cuda.is_available() or rehearse):
        raise BackendMissingError("PyTorch finds no CUDA device")

    class Half(torch.nn.Module):
        """A network under autocast, with results in float32."""

        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network, self.config = network, network.config

        def forward(self, visible: Any, thermal: Any) -> tuple[Any, ...]:
            with torch.autocast(visible.device.type, torch.float16 if visible.is_cuda else torch.bfloat16):
                found = self.network(visible, thermal)
            return tuple(each.float() for each in found)

    class Variant(TorchEngine):
        """The package's engine, which states its precision."""

        @property
        def info(self) -> Any:
            precision = ("fp16" if torch.cuda.is_available() else "bf16") if half else "fp32"
            kind = "graph" if self._graph is not None else "eager"
            return dataclasses.replace(
                super().info, precision=precision, device=f"{super().info.device}, {kind}"
            )

    weights = Weights.load(weights_path(path))
    network = weights.network()
    engine = Variant(Half(network) if half else network, weights.sha256())
    if not graph:
        engine._graph = None
    elif engine._graph is None and not rehearse:
        raise BackendMissingError("no CUDA graph could be captured: the log says why")
    return engine


def onnx_engine(path: Path, *, half: bool, rehearse: bool) -> Any:
    """ONNX Runtime with its CUDA provider."""
    from distillmatch_ros.engines import open_engine
    from distillmatch_ros.engines.onnx import open_on_cuda
    from distillmatch_ros.engines.protocol import BackendMissingError

    path = half_of(path) if half else path
    try:
        return open_on_cuda(path, None)
    except BackendMissingError:
        if not rehearse:
            raise
    return open_engine(path, "onnx")


def tensorrt_engine(path: Path, *, half: bool) -> Any:
    """TensorRT, built here; the engine is kept in the user's cache."""
    from distillmatch_ros.engines import build_engine
    from distillmatch_ros.engines.onnx_file import OnnxFile

    return build_engine(OnnxFile.read(half_of(path) if half else path)).engine


def half_of(path: Path) -> Path:
    """The half-precision graph of the same weights."""
    from distillmatch_ros.engines.onnx_file import OnnxFile
    from distillmatch_ros.engines.protocol import BackendMissingError

    half = OnnxFile.read(path).in_half()
    if half is None:
        raise BackendMissingError(f"{path}: no half-precision graph beside it")
    return half.path


VARIANTS: dict[str, Callable[[Path, bool], Any]] = {
    "PyTorch, single": lambda path, rehearse: torch_engine(path, graph=False, half=False, rehearse=rehearse),
    "PyTorch, graph, single": lambda path, rehearse: torch_engine(
        path, graph=True, half=False, rehearse=rehearse
    ),
    "PyTorch, graph, half": lambda path, rehearse: torch_engine(
        path, graph=True, half=True, rehearse=rehearse
    ),
    "ONNX Runtime CUDA, single": lambda path, rehearse: onnx_engine(path, half=False, rehearse=rehearse),
    "ONNX Runtime CUDA, half": lambda path, rehearse: onnx_engine(path, half=True, rehearse=rehearse),
    "TensorRT, half": lambda path, rehearse: tensorrt_engine(path, half=True),
    "TensorRT, single": lambda path, rehearse: tensorrt_engine(path, half=False),
}
"""Engines by name, in the order in which they are tried: the slowest to open last."""


def measure(variant: str, path: Path, rehearse: bool) -> Result:
    """Verify and time one variant, in this process."""
    import numpy as np

    from distillmatch_ros.base.errors import DistillMatchError
    from distillmatch_ros.base.units import Percentiles
    from distillmatch_ros.engines.onnx import open_on_cpu
    from distillmatch_ros.engines.protocol import BackendMissingError
    from distillmatch_ros.evaluation.verification import compare, register_all, rendered_pairs
    from distillmatch_ros.registration.registrar import Registrar

    try:
        engine = VARIANTS[variant](path, rehearse)
    except BackendMissingError as error:
        return Result(variant, "absent", why=str(error))
    except DistillMatchError as error:
        return Result(variant, "failed", why=str(error))
    images = rendered_pairs()
    reference = open_on_cpu(path, None)  # float32, whatever provider is there
    expected = register_all(reference, images)
    compared = compare(variant, engine.info, reference.info, register_all(engine, images), expected, images)

    warm_up, runs, registrations = REHEARSED if rehearse else (WARM_UP, RUNS, REGISTRATIONS)

    def timed(run: Callable[[], object], times: int) -> dict[str, float]:
        taken = []
        for _ in range(times + warm_up):
            begin = perf_counter()
            run()
            taken.append(1e3 * (perf_counter() - begin))
        return asdict(Percentiles.of(taken[warm_up:]))

    rng = np.random.default_rng(0)
    size = engine.info.height, engine.info.width
    visible, thermal = (rng.random(size, np.float32) for _ in range(2))
    registrar = Registrar(engine)
    return Result(
        variant,
        "faulty" if compared.faults else "ok",
        engine.info.device,
        timed(lambda: engine(visible, thermal), runs),
        timed(lambda: registrar.register(*images[0]), registrations),
        {
            name: getattr(compared, name)
            for name in ("found", "points_px", "confidence", "corners_px", "same_status")
        },
        "; ".join(compared.faults),
    )


def in_a_process(variant: str, options: argparse.Namespace, seconds: float) -> Result:
    """Measure one variant in a new process, ended after its time."""
    command = [sys.executable, str(Path(__file__).resolve()), str(options.out), "--one", variant]
    command += ["--model", str(options.model)] + ["--rehearse"] * options.rehearse
    begin = monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Result(variant, "failed", why=f"took more than {seconds:.0f} s", seconds=seconds)
    taken = monotonic() - begin
    try:
        return dataclasses.replace(
            Result(**json.loads(done.stdout.splitlines()[-1])), seconds=round(taken, 1)
        )
    except (IndexError, ValueError, TypeError):
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return Result(variant, "failed", why=said, seconds=round(taken, 1))


def table(results: list[Result]) -> str:
    """The results in Markdown."""
    lines = [
        "| variant | state | engine ms (p95) | registration ms (p95) | corners px | device, or why |",
        "|---|---|---:|---:|---:|---|",
    ]
    for each in results:
        engine, registration = (
            f"{ms['median']:.2f} ({ms['p95']:.2f})" if ms else ""
            for ms in (each.engine_ms, each.registration_ms)
        )
        corners = (each.figures or {}).get("corners_px")
        said = each.why.splitlines()[0] if each.why else each.device or ""
        cells = (
            each.variant,
            each.state,
            engine,
            registration,
            "" if corners is None else f"{corners:.3f}",
            said,
        )
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def examined() -> dict[str, str]:
    """Versions, processor and GPU of this machine."""
    from distillmatch_ros.doctor import examination, runtimes

    return {each.about: each.value for each in (*examination.versions(), *runtimes.gpu())}


def write(out: Path, options: argparse.Namespace, machine: dict[str, str], results: list[Result]) -> None:
    """Write what is known so far."""
    record = {
        "rehearsal": options.rehearse,
        "model": options.model.name,
        "machine": machine,
        "results": [asdict(each) for each in results],
    }
    (out / "gpu_check.json").write_text(json.dumps(record, indent=2) + "\n")
    (out / "gpu_check.md").write_text(table(results))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the results")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="time for everything (default %(default)s)"
    )
    parser.add_argument(
        "--model", type=Path, default=ROOT / "models/light.onnx", help="the network's ONNX file"
    )
    parser.add_argument("--rehearse", action="store_true", help="run on the CPU what finds no GPU")
    parser.add_argument("--one", choices=VARIANTS, help="measure one variant in this process, and print it")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(asdict(measure(options.one, options.model, options.rehearse))))
        return 0
    try:
        machine = examined()
    except ImportError as error:
        parser.error(
            f"{sys.executable} has no {error.name}: install the package for it, or name one that has it, as "
            "in make gpu-check PYTHON=.venv/bin/python"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    end = monotonic() + options.seconds
    for variant in VARIANTS:
        left = end - monotonic()
        results.append(
            in_a_process(variant, options, left)
            if left > LEAST_S
            else Result(variant, "no time", why="not begun")
        )
        write(options.out, options, machine, results)
    print(table(results), end="")
    states = {each.state for each in results}
    return 1 if states & {"faulty", "failed"} or "ok" not in states else 0


if __name__ == "__main__":
    sys.exit(main())
