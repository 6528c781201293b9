"""What the node reaches between real processes: cameras, node and listener on one machine."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import Spread
from distillmatch_ros.ros.installation import require_ros
from distillmatch_ros.tools.processes import own_graph, running

AGE_FACTOR, AGE_SLACK_MS = 1.3, 15.0
"""The age of an output must not exceed the engine's time by more, at the 95th percentile."""
TRANSPORT_MS = 12.0
"""Nor may conversion and publishing take more for a pair."""
WARM_UP_S = 10.0
MIB = 1 << 20  # bytes
START_S = 120
"""How long the first pair may take to come out, of a machine that is busy."""


@dataclass(frozen=True)
class NodeBenchmark:
    """What was measured after the warm-up.

    Attributes:
        seconds: how long.
        pairs_hz: pairs that were published, per second.
        statuses: registrations by status.
        superseded: pairs for which the engine had no time.
        age: ms, from the receipt of the visible image until all outputs are published.
        engine: the network alone.
        registration: the network, gain control, geometry: all that `Registrar` does.
        transport: decoding both images, making and publishing all outputs.
        within_engine: fraction of the pairs whose age is within `AGE_FACTOR` times their engine time plus
            `AGE_SLACK_MS`.
        within_registration: the same with the registration's time.
        memory_mib: resident memory of the node: at the end of the warm-up, greatest, at the end.
        growth_mib_per_minute: its slope.
    """

    seconds: float
    pairs_hz: float
    statuses: Mapping[str, int]
    superseded: int
    age: Spread
    engine: Spread
    registration: Spread
    transport: Spread
    within_engine: float
    within_registration: float
    memory_mib: tuple[float, float, float]
    growth_mib_per_minute: float


def run_node_benchmark(
    seconds: float = 60.0,
    arguments: Sequence[str] = (),
    on_second: Callable[[], None] = lambda: None,
) -> NodeBenchmark:
    """Run cameras at 640x512 and 30 Hz, the node, and somebody who subscribes to all of its outputs.

    Args:
        seconds: to measure, after the warm-up.
        arguments: of the node, such as ``-p``, ``threads:=1``.
        on_second: called each second of it, for a progress bar.

    Raises:
        DistillMatchError: ROS 2 is not here, a process ended, or nothing came out.
    """
    require_ros()
    with TemporaryDirectory() as name:
        folder = Path(name)
        environment, rows, log = own_graph(folder), folder / "rows.jsonl", folder / "log"
        with (
            log.open("w") as said,
            running("tools.load", ["node", str(rows), "--ros-args", *arguments], environment, said) as node,
            running("tools.load", ["listener"], environment, said) as listener,
            running("tools.load", ["cameras"], environment, said) as cameras,
        ):
            memory: list[float] = []
            started, begun = monotonic(), None
            while len(memory) < round(seconds):
                sleep(1.0)
                if any(process.poll() is not None for process in (node, listener, cameras)):
                    raise DistillMatchError(f"a process of the benchmark ended: {_last_line(log)}")
                if begun is None:
                    begun = monotonic() if rows.exists() and rows.stat().st_size > 0 else None
                    if begun is None and monotonic() - started > START_S:
                        raise DistillMatchError(f"nothing came out of the node: {_last_line(log)}")
                elif monotonic() - begun > WARM_UP_S:
                    memory.append(psutil.Process(node.pid).memory_info().rss / MIB)
                    on_second()
        return evaluate([json.loads(line) for line in rows.read_text().splitlines()], memory)


def evaluate(rows: Sequence[Mapping[str, Any]], memory: Sequence[float]) -> NodeBenchmark:
    """Sum up a run.

    Args:
        rows: of each pair ``time`` (monotonic, s); of one that was published also ``status``, and ``age``,
            ``engine``, ``registration`` and ``transport`` in milliseconds.
        memory: resident, MiB, once a second.

    Raises:
        DistillMatchError: nothing was published after the warm-up.
    """
    begin = rows[0]["time"] + WARM_UP_S
    late = [row for row in rows if row["time"] >= begin]
    measured = [row for row in late if "age" in row]
    if len(measured) < 2:
        raise DistillMatchError("the node published no pairs after the warm-up; measure for longer")
    columns = {
        name: np.array([row[name] for row in measured])
        for name in ("age", "engine", "registration", "transport")
    }
    seconds = measured[-1]["time"] - measured[0]["time"]
    statuses = [row["status"] for row in measured]
    within = {
        name: float(np.mean(columns["age"] <= AGE_FACTOR * columns[name] + AGE_SLACK_MS))
        for name in ("engine", "registration")
    }
    slope = np.polyfit(np.arange(len(memory)), memory, 1)[0] if len(memory) > 1 else 0.0
    return NodeBenchmark(
        seconds=seconds,
        pairs_hz=(len(measured) - 1) / seconds,
        statuses={status: statuses.count(status) for status in sorted(set(statuses))},
        superseded=len(late) - len(measured),
        **{name: Spread.of(values.tolist()) for name, values in columns.items()},
        within_engine=within["engine"],
        within_registration=within["registration"],
        memory_mib=(memory[0], max(memory), memory[-1]),
        growth_mib_per_minute=60 * float(slope),
    )


def _last_line(log: Path) -> str:
    return (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
