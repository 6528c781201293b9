"""What real bindings offer of the names that a double has; run as a program of its own, it prints JSON.

Usage: bindings.py tensorrt|cuda. The bindings are found on PYTHONPATH, their libraries on LD_LIBRARY_PATH.
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from support.cuda_double import CudaDouble
from support.tensorrt_double import TensorRtDouble


def mismatches(double: dict[str, Any], real: Any, prefix: str = "") -> Iterator[str]:
    """Names of a double that the real thing lacks, or wants other arguments for."""
    for name, value in double.items():
        if name.startswith("_"):
            continue
        there = getattr(real, name, None)
        if there is None:
            yield f"{prefix}{name} does not exist"
        elif isinstance(value, type):
            yield from mismatches(dict(vars(value)), there, f"{prefix}{name}.")
        elif isinstance(value, FunctionType):
            used = [parameter for parameter in inspect.signature(value).parameters if parameter != "self"]
            offered = list(overloads(name, there.__doc__ or ""))
            if not any(accepts(parameters, used) for parameters in offered):
                yield f"{prefix}{name} takes {offered}, not {used}"


def overloads(name: str, docstring: str) -> Iterator[dict[str, bool]]:
    """Parameters of each signature in a docstring, and whether they may be left out."""
    for parameters in re.findall(rf"^(?:\d+\. )?{name}\((.*?)\)(?: ->|$)", docstring, re.MULTILINE):
        # As in "self: Builder, flags: int = 0" and in "size_t size, kind: cudaMemcpyKind".
        named = {
            part.split(":")[0].split("=")[0].split()[-1]: "=" in part
            for part in parameters.split(", ")
            if part
        }
        yield {key: optional for key, optional in named.items() if key not in ("self", "*args", "**kwargs")}


def accepts(parameters: dict[str, bool], used: list[str]) -> bool:
    names = list(parameters)
    return names[: len(used)] == used and all(parameters[name] for name in names[len(used) :])


def tensorrt() -> dict[str, Any]:
    """Names, and the project's own classes and error handling on the real base classes."""
    real = sys.modules["tensorrt"] = importlib.import_module("tensorrt_bindings")
    cuda = CudaDouble()
    sys.modules["cuda.bindings"] = type("bindings", (), {"runtime": cuda})  # type: ignore[assignment]
    from distillmatch_ros.base.errors import DistillMatchError
    from distillmatch_ros.engines.build import _Progress
    from distillmatch_ros.engines.tensorrt import Log, start, this_machine

    def rejection(kind: Any) -> str:
        try:
            start(kind, log)
        except DistillMatchError as error:
            return str(error)
        return "it starts"

    log, progress = Log(), _Progress(lambda phase, done, steps: None)
    log.log(real.ILogger.Severity.ERROR, "libraries are stubs")
    rejections = [rejection(real.Runtime), rejection(real.Builder)]
    progress.stop()
    double = TensorRtDouble(cuda)
    classes = {
        name: value
        for name, value in (vars(TensorRtDouble) | vars(double)).items()
        if isinstance(value, type)
    }
    return {
        "version": this_machine().tensorrt,
        "checked": sorted(classes),
        "mismatches": list(mismatches(classes, real)),
        "rejections": rejections,
        "goes_on": progress.step_complete("any", 0),
        "accepted": isinstance(log, real.ILogger) and isinstance(progress, real.IProgressMonitor),
    }


def cuda() -> dict[str, Any]:
    """Names, and what the project makes of a machine that may have no GPU."""
    real = importlib.import_module("cuda.bindings.runtime")
    from distillmatch_ros.engines.cuda import find_gpu
    from distillmatch_ros.engines.protocol import BackendMissingError

    try:
        gpu = find_gpu().name
    except BackendMissingError as error:
        gpu = str(error)
    used = {name: value for name, value in vars(CudaDouble).items() if name.startswith("cuda")}
    return {"checked": sorted(used), "mismatches": list(mismatches(used, real)), "gpu": gpu}


if __name__ == "__main__":
    json.dump({"tensorrt": tensorrt, "cuda": cuda}[sys.argv[1]](), sys.stdout)
