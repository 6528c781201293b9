"""Which runtimes open the network on this machine, and the GPU."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.doctor.finding import FAULT, NOTE, Finding
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.protocol import BackendMissingError, Engine
from distillmatch_ros.engines.registry import RUNTIMES

NETWORK = "models/light.onnx"
DRIVER = Path("/proc/driver/nvidia/version")
QUERY = ("--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader")


def examine(network: Path | None) -> Iterator[Finding]:
    """The network's file, each runtime, and the one that `auto` takes."""
    try:
        path = network or resources.find(NETWORK)
        info = OnnxFile.read(path).info
    except DistillMatchError as error:
        yield Finding(
            "network", str(error), FAULT, "install the package again, or name a network with --model"
        )
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    yield Finding(
        "network",
        f"{path}: {info.config} {info.precision} at {info.width}x{info.height}, SHA-256 {digest[:16]}, "
        f"weights {info.weights_hash[:16]}",
    )
    for runtime in RUNTIMES:
        yield _opened(runtime.label, path, runtime.open)
    yield _opened("backend: auto", path, open_engine)


def gpu(driver: Path = DRIVER) -> Iterator[Finding]:
    """NVIDIA's driver and cards.

    Args:
        driver: where the kernel module states its version.
    """
    program = shutil.which("nvidia-smi")
    if program is not None:
        done = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=20, check=False)
        if done.returncode == 0 and done.stdout.strip():
            for line in done.stdout.strip().splitlines():
                yield Finding("GPU", line)
        else:
            said = (done.stdout + done.stderr).strip().splitlines()
            yield Finding(
                "GPU",
                f"nvidia-smi fails: {said[0] if said else done.returncode}",
                FAULT,
                "mend the driver; in a container, start it with the NVIDIA runtime",
            )
    elif driver.exists():
        yield Finding("GPU", driver.read_text().splitlines()[0])
    else:
        yield Finding("GPU", "no NVIDIA driver: runtimes use the CPU")


def _opened(name: str, path: Path, opener: Callable[[Path], Engine]) -> Finding:
    try:
        engine = opener(path)
    except BackendMissingError as error:
        return Finding(name, "not here", NOTE, str(error))
    except DistillMatchError as error:
        return Finding(name, str(error), FAULT, "install this runtime again, or leave it out with --backend")
    try:
        return Finding(name, f"{engine.info.device}, {engine.info.precision}")
    finally:
        engine.close()
