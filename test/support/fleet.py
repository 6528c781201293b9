"""Fleets for tests: drives to register, and the parts of a Dask cluster as processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from support import ROOT
from support.bags import RGB, THERMAL, Drive, write_bag

TOPICS = ("--rgb", RGB, "--thermal", THERMAL)
PROGRAM = ("-m", "distillmatch_ros.cli")
QUICK = ("--only", "homography")
"""Writes little."""


def write_drives(folder: Path, names: Sequence[str], pairs: int = 3) -> list[Path]:
    """Bags of one content, files ``NAME.mcap``."""
    written = write_bag(folder, "mcap", Drive(pairs=pairs, info=False))
    drives = [folder / f"{name}.mcap" for name in names]
    for drive in drives:
        shutil.copy(next(written.glob("*.mcap")), drive)
    shutil.rmtree(written)
    return drives


def start(
    arguments: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A Python process in a folder, with the package of this checkout."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(met: Callable[[], bool], seconds: float = 200) -> None:
    """Wait until a condition is met."""
    deadline = monotonic() + seconds
    while not met():
        assert monotonic() < deadline
        sleep(0.02)


def read_manifest(out: Path) -> dict[str, dict[str, Any]]:
    """Records of a manifest by name; the last of each holds."""
    lines = (out / "manifest.jsonl").read_text().splitlines()
    return {record["name"]: record for record in map(json.loads, lines)}


@dataclass(frozen=True)
class DaskCluster:
    """A scheduler with its address, and its workers."""

    address: str
    scheduler: subprocess.Popen[str]
    workers: list[subprocess.Popen[str]]


@contextmanager
def dask_cluster(folder: Path, workers: int, *options: str) -> Iterator[DaskCluster]:
    """A scheduler and workers of one thread, as processes."""
    told = folder / "scheduler.json"
    alone = ("--host", "127.0.0.1", "--no-dashboard")
    processes = [
        start(
            ("-m", "distributed.cli.dask_scheduler", *alone, "--port", "0", "--scheduler-file", told), folder
        )
    ]
    try:
        wait_for(lambda: told.exists() and told.read_text().endswith("}"))
        address = json.loads(told.read_text())["address"]
        worker = ("-m", "distributed.cli.dask_worker", address, *alone, "--nthreads", "1", *options)
        scratch = [folder / f"worker{number}" for number in range(workers)]
        processes += [start((*worker, "--local-directory", each), folder) for each in scratch]
        yield DaskCluster(address, processes[0], processes[1:])
    finally:
        for process in reversed(processes):
            process.kill()
        for process in processes:
            process.communicate(timeout=200)
