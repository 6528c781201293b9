"""Latency by stage, start-up time and memory of a registrar."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.machine import processor, usable_cores
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.passes import STAGES
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.tracking import Track, follow
from distillmatch_ros.scene import render_pair
from distillmatch_ros.visualisation.overlay import draw_overlay

Image = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 512
WARM_UP = 5
FRAME_S = 1 / 30
PROBE_PAIRS = 10

# A minimal program that uses this package, timed from its first import. It runs in a new interpreter: in this
# process the imports are done already, and earlier work has raised the peak memory.
_PROBE = """
import json, sys
from time import perf_counter

arguments = json.loads(sys.argv[1])
start = perf_counter()
from pathlib import Path
from distillmatch_ros import Registrar

model = arguments["model"] and Path(arguments["model"])
registrar = Registrar.open(model, backend=arguments["backend"], threads=arguments["threads"])
open_ms = 1e3 * (perf_counter() - start)

import numpy as np

with np.load(arguments["images"]) as images:
    for index in range(0, len(images.files), 2):
        registrar.register(images[f"arr_{index}"], images[f"arr_{index + 1}"])
status = Path("/proc/self/status")
print(json.dumps({"open_ms": open_ms, "status": status.read_text() if status.exists() else ""}))
"""


@dataclass(frozen=True)
class Benchmark:
    """Latency, start-up time and memory, and the machine they were measured on.

    Attributes:
        model: the network; its ``device`` names the runtime and its threads.
        processor: the processor's name.
        cores: logical cores of the machine.
        usable_cores: cores that this process may use; see `usable_cores`.
        source: origin of the pairs.
        runs: timed registrations, after the warm-up.
        registered: runs that gave a homography; a rejected pair may take fewer steps.
        stages: times in ms: gain_control, resize, engine, homography; total, from two 640x512 uint8 images to
            the homography; tracking, which replaces all of these between full passes; overlay, its drawing.
        open_ms: time to import the package and open the engine in a new process, ms.
        peak_memory_mib: peak resident memory of a process that only registers pairs, MiB; None if the system
            does not report it.
    """

    model: EngineInfo
    processor: str
    cores: int
    usable_cores: int
    source: str
    runs: int
    registered: int
    stages: dict[str, Percentiles]
    open_ms: float
    peak_memory_mib: float | None


def run_benchmark(
    model: Path | None = None,
    images: Sequence[tuple[Image, Image]] = (),
    *,
    source: str = "synthetic street",
    backend: str = "auto",
    threads: int | None = None,
    runs: int = 50,
    on_run: Callable[[], None] = lambda: None,
) -> Benchmark:
    """Measure one network on this machine.

    Args:
        model: the network's file; the shipped one by default.
        images: pairs to register, see `read_images`; a rendered street if empty.
        source: description of the pairs.
        backend: see `open_engine`.
        threads: see `open_engine`.
        runs: number of timed registrations, over the pairs in turn.
        on_run: called after each timed registration, for a progress bar.

    Raises:
        DistillMatchError: the network cannot be opened.
    """
    with Registrar.open(model, backend=backend, threads=threads) as registrar:
        images = images or _render_images()
        # The new process goes first: a laptop's cores slow down when hot.
        open_ms, peak_memory_mib = _probe(model, images, backend, threads)
        registered, stages = _time_stages(registrar, images, runs, on_run)
        return Benchmark(
            model=registrar.engine.info,
            processor=processor(),
            cores=os.cpu_count() or 1,
            usable_cores=usable_cores(),
            source=source,
            runs=runs,
            registered=registered,
            stages=stages,
            open_ms=open_ms,
            peak_memory_mib=peak_memory_mib,
        )


def read_images(pairs: Sequence[PairPaths]) -> list[tuple[Image, Image]]:
    """Read pairs and convert both images to 640x512 and 8 bits.

    Raises:
        DistillMatchError: an image cannot be read.
    """
    return [_prepare(read_image(pair.visible), read_thermal(pair.thermal)) for pair in pairs]


def _time_stages(
    registrar: Registrar, images: Sequence[tuple[Image, Image]], runs: int, on_run: Callable[[], None]
) -> tuple[int, dict[str, Percentiles]]:
    for visible, thermal in islice(cycle(images), WARM_UP):
        draw_overlay(visible, thermal, registrar.register(visible, thermal))
    registered = 0
    times: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "total", "tracking", "overlay")}
    for visible, thermal in islice(cycle(images), runs):
        registration = registrar.register(visible, thermal)
        assert registration.crops is not None, "a pass was made"
        begin = np.eye(3) if registration.homography is None else registration.homography
        track = Track.begin(begin, 0.0, registration.crops)
        start = perf_counter()
        follow(track, PreparedPair.of(visible, thermal), FRAME_S)
        times["tracking"].append(1e3 * (perf_counter() - start))
        start = perf_counter()
        draw_overlay(visible, thermal, registration)
        times["overlay"].append(1e3 * (perf_counter() - start))
        for stage, ms in registration.latency_ms.items():
            times[stage].append(ms)
        registered += registration.homography is not None
        on_run()
    return registered, {stage: Percentiles.of(ms) for stage, ms in times.items()}


def _probe(
    model: Path | None, images: Sequence[tuple[Image, Image]], backend: str, threads: int | None
) -> tuple[float, float | None]:
    """Time (ms) to import the package and open the engine, and peak resident MiB, of a new process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npz"
        np.savez(file, *chain.from_iterable(islice(cycle(images), PROBE_PAIRS)))
        arguments = {
            "model": None if model is None else str(model),
            "backend": backend,
            "threads": threads,
            "images": str(file),
        }
        package = str(Path(__file__).resolve().parents[2])
        python_path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, json.dumps(arguments)],
            env={**os.environ, "PYTHONPATH": python_path},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise DistillMatchError(f"a new process could not register pairs: {reason[0]}")
    answer = json.loads(done.stdout)
    # Not ru_maxrss: on Linux it starts at the size of the process that forked this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", answer["status"])
    return answer["open_ms"], int(peak[1]) / 1024 if peak else None


def _render_images() -> list[tuple[Image, Image]]:
    scenes = [render_pair(0, night=night) for night in (False, True)]
    return [_prepare(scene.visible, scene.thermal) for scene in scenes]


def _prepare(visible: NDArray[Any], thermal: NDArray[Any]) -> tuple[Image, Image]:
    """Convert a pair to the output of a rig with 8-bit 640x512 cameras; colour is kept."""

    def resized(image: Image) -> Image:
        return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)

    return resized(visible if visible.dtype == np.uint8 else to_8bit(visible)), resized(to_8bit(thermal))
