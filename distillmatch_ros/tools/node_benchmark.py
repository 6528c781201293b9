"""Throughput, latency and memory of the node, measured between real processes on one machine."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.ros.installation import require_ros
from distillmatch_ros.stream.outputs import TOPICS
from distillmatch_ros.tools.near_view import SIZE, NearView
from distillmatch_ros.tools.processes import own_graph, running

AGE_FACTOR, AGE_SLACK_MS = 1.3, 15.0
"""Limit of an output's age relative to the registration's time, at the 95th percentile: factor, and ms."""
WARM_UP_S = 10.0
MIB = 1 << 20  # bytes
OUTPUTS = tuple(name for name in TOPICS if name != "points")
"""Outputs that are subscribed to unless others are named; a cloud is as large as all of them together."""
START_S = 120
"""Time limit for the first output, s; a busy machine starts slowly."""


@dataclass(frozen=True)
class NodeBenchmark:
    """Results after the warm-up.

    Attributes:
        pass_seconds: the parameter; 0 for a full pass for each pair.
        seconds: duration of the measurement, s.
        pairs_hz: published pairs per second.
        statuses: number of registrations by status.
        tracked: fraction of the registrations that were tracked, in [0, 1].
        superseded: pairs dropped for a newer one.
        passes_hz: full passes of the network per second.
        cores: processor cores used by the node.
        age: from the receipt of the visible image until its outputs are published, ms.
        engine: time of the network for pairs that waited for a pass, ms; None if none did.
        registration: network, gain control and geometry (all of `Registrar`), or tracking, ms.
        transport: decoding both images, making and publishing the outputs that are subscribed to, ms.
        within_registration: fraction of the pairs whose age is within `AGE_FACTOR` times their registration
            plus `AGE_SLACK_MS`.
        jitter_px: RMS corner error between consecutive homographies, pixels of a visible image 640 px wide;
            the cameras of the benchmark are static. None without homographies.
        memory_mib: resident memory of the node, MiB: at the end of the warm-up, peak, at the end.
        growth_mib_per_minute: slope of the resident memory, MiB per minute.
    """

    pass_seconds: float
    seconds: float
    pairs_hz: float
    statuses: Mapping[str, int]
    tracked: float
    superseded: int
    passes_hz: float
    cores: float
    age: Percentiles
    engine: Percentiles | None
    registration: Percentiles
    transport: Percentiles
    within_registration: float
    jitter_px: float | None
    memory_mib: tuple[float, float, float]
    growth_mib_per_minute: float


@dataclass(frozen=True)
class Usage:
    """Cumulative use of the node's process at a time: processor time, s, and resident memory, MiB."""

    time: float
    processor: float
    memory_mib: float

    @classmethod
    def of(cls, process: int) -> "Usage":
        """Current use of a process, given its id."""
        node = psutil.Process(process)
        times = node.cpu_times()
        return cls(monotonic(), times.user + times.system, node.memory_info().rss / MIB)


def run_node_benchmark(
    seconds: float = 60.0,
    pass_seconds: float = 1.0,
    arguments: Sequence[str] = (),
    outputs: Sequence[str] = OUTPUTS,
    on_second: Callable[[], None] = lambda: None,
    depth: bool = False,
) -> NodeBenchmark:
    """Run cameras at 640x512 and 30 Hz, the node, and a subscriber to its outputs.

    Args:
        seconds: duration of the measurement after the warm-up, s.
        pass_seconds: the node's parameter, s.
        arguments: further arguments of the node, such as ``-p``, ``threads:=1``.
        outputs: names of the outputs that are subscribed to; without ``homography`` there is no jitter.
        on_second: called every second of the measurement, for a progress bar.
        depth: whether a depth camera publishes too, and the node knows its rig, in mode rig.

    Raises:
        DistillMatchError: ROS 2 is not installed, a process ended, or nothing was published.
    """
    require_ros()
    with TemporaryDirectory() as name:
        folder = Path(name)
        environment, rows, log = own_graph(folder), folder / "rows.jsonl", folder / "log"
        homographies = folder / "homographies.jsonl"
        options = ["--ros-args", "-p", f"pass_seconds:={float(pass_seconds)}"]
        if depth:
            RigFile.of(NearView.render().rig, 0).save(folder / "rig.yaml")
            known = "mode:=rig", f"rig_file:={folder / 'rig.yaml'}", "depth:=true"
            options += [part for each in known for part in ("-p", each)]
        options += arguments
        with (
            log.open("w") as said,
            running("tools.load", ["node", str(rows), *options], environment, said) as node,
            running("tools.load", ["listener", str(homographies), *outputs], environment, said) as listener,
            running("tools.load", ["cameras", *(["depth"] if depth else [])], environment, said) as cameras,
        ):
            used: list[Usage] = []
            started, begun = monotonic(), None
            while len(used) <= round(seconds):
                sleep(1.0)
                if any(process.poll() is not None for process in (node, listener, cameras)):
                    raise DistillMatchError(f"a process of the benchmark ended: {_last_line(log)}")
                if begun is None:
                    begun = monotonic() if rows.exists() and rows.stat().st_size > 0 else None
                    if begun is None and monotonic() - started > START_S:
                        raise DistillMatchError(f"the node published nothing: {_last_line(log)}")
                elif monotonic() - begun > WARM_UP_S:
                    used.append(Usage.of(node.pid))
                    on_second()
        return evaluate(_read(rows), _read(homographies), used, pass_seconds)


def evaluate(
    rows: Sequence[Mapping[str, Any]],
    homographies: Sequence[Mapping[str, Any]],
    used: Sequence[Usage],
    pass_seconds: float,
) -> NodeBenchmark:
    """Summarise a run.

    Args:
        rows: for each pair ``time`` (monotonic, s); for published pairs also ``status``, ``passes``, and
            ``age``, ``engine``, ``registration`` and ``transport``, ms.
        homographies: ``time`` and the nine elements of each received homography.
        used: use of the node's process, once per second.
        pass_seconds: the node's parameter, s.

    Raises:
        DistillMatchError: nothing was published after the warm-up.
    """
    begin = rows[0]["time"] + WARM_UP_S
    late = [row for row in rows if row["time"] >= begin]
    measured = [row for row in late if "age" in row]
    if len(measured) < 2:
        raise DistillMatchError("the node published no pairs after the warm-up; measure for longer")
    age, registration, transport = (
        np.array([row[name] for row in measured]) for name in ("age", "registration", "transport")
    )
    engine = [row["engine"] for row in measured if row["engine"] > 0]
    seconds = measured[-1]["time"] - measured[0]["time"]
    statuses = [row["status"] for row in measured]
    memory = [each.memory_mib for each in used]
    slope = np.polyfit(np.arange(len(memory)), memory, 1)[0] if len(memory) > 1 else 0.0
    elapsed = used[-1].time - used[0].time
    return NodeBenchmark(
        pass_seconds=pass_seconds,
        seconds=seconds,
        pairs_hz=(len(measured) - 1) / seconds,
        statuses={status: statuses.count(status) for status in sorted(set(statuses))},
        tracked=statuses.count(Status.TRACKED.value) / len(statuses),
        superseded=len(late) - len(measured),
        passes_hz=sum(row["passes"] for row in measured) / seconds,
        cores=(used[-1].processor - used[0].processor) / elapsed if elapsed else 0.0,
        age=Percentiles.of(age.tolist()),
        engine=Percentiles.of(engine) if engine else None,
        registration=Percentiles.of(registration.tolist()),
        transport=Percentiles.of(transport.tolist()),
        within_registration=float(np.mean(age <= AGE_FACTOR * registration + AGE_SLACK_MS)),
        jitter_px=_jitter_px([row["homography"] for row in homographies if row["time"] >= begin]),
        memory_mib=(memory[0], max(memory), memory[-1]),
        growth_mib_per_minute=60 * float(slope),
    )


def _jitter_px(homographies: Sequence[Sequence[float]]) -> float | None:
    matrices = [np.reshape(elements, (3, 3)) for elements in homographies]
    found = [matrix for matrix in matrices if np.isfinite(matrix).all()]
    steps = [corner_error(one, other, SIZE, SIZE) for one, other in pairwise(found)]
    return float(np.sqrt(np.mean(np.square(steps)))) if steps else None


def _read(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _last_line(log: Path) -> str:
    return (log.read_text().strip().splitlines() or ["its log is empty"])[-1]
