"""The demo: a synthetic drive through the running node and through ``distillmatch bag``, compared."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.base.files import make_folder
from distillmatch_ros.demo.agreement import Agreement, Homographies, compare, homographies, select_pairs
from distillmatch_ros.demo.drive import RGB, THERMAL, Moment, record_drive
from distillmatch_ros.demo.live import is_possible, run_live
from distillmatch_ros.demo.stills import Still, register_stills
from distillmatch_ros.offline.bag.processing import BagJob, chosen_outputs, process_bag
from distillmatch_ros.offline.bag.provenance import provenance
from distillmatch_ros.offline.bag.summary import BagRecord, BagSummary
from distillmatch_ros.offline.image_files import PairRecord
from distillmatch_ros.offline.report.from_bag import read_bag
from distillmatch_ros.offline.report.recording import Recording
from distillmatch_ros.registration.gate import Status
from distillmatch_ros.scene.view import THERMAL_SIZE, VISIBLE_SIZE
from distillmatch_ros.stream.assembly import open_registrar, open_stream, threads_beside
from distillmatch_ros.stream.parameters import Parameters

DRIVE, LIVE, BAG, PAGE, LOGS = "drive.mcap", "live.mcap", "bag.mcap", "index.html", "logs"
PASSES = "passes.mcap"  # a full pass for each pair
RECORDED = ("correspondences", "homography", "status", "overlay/compressed", "thermal_registered")
RATE_HZ = 5.0
SLOWEST = 0.2  # of real time, lest the demo take minutes
ANSWERED, AGAIN = "answered.mcap", "answered_bag.mcap"  # while they are compared, if not all were answered
BAGS = (DRIVE, LIVE, BAG, PASSES, ANSWERED, AGAIN)
OUTPUTS = (*BAGS, PAGE)
"""What tells a folder that holds a demo."""


@dataclass(frozen=True, eq=False)
class Live:
    """What the node made of the drive.

    Attributes:
        rate: at which it was played; 1 for real time.
        recording: of what it published.
        agreement: with ``distillmatch bag``, given the pairs that the node answered and no others, for what a
            pair gives depends on the pairs before it.
    """

    rate: float
    recording: Recording
    agreement: Agreement


class StillRecord(PairRecord):
    """A scene as a JSON object.

    Attributes:
        rms_px: error of the homography that was found, visible pixels; null without one.
        best_rms_px: the least that any homography reaches.
    """

    rms_px: float | None
    best_rms_px: float


class ErrorRecord(TypedDict):
    """Median, 95th percentile and greatest of some errors; null of none."""

    median: float | None
    p95: float | None
    worst: float | None


class LiveRecord(TypedDict):
    """What the node made of the drive, as a JSON object: see `Live`."""

    rate: float
    agreement: Agreement


class DemoRecord(TypedDict):
    """The demo as a JSON object.

    Attributes:
        stills: two single pairs.
        bag: what ``distillmatch bag`` made of the drive.
        errors_px: against the truth, root mean square, visible pixels: of the pairs that were ``tracked``, of
            the same with a full pass for each (``passes``), and the least that any homography reaches
            (``best``).
        live: what the node made of it; null where ROS 2 is not installed.
        page: where the page is.
    """

    stills: list[StillRecord]
    bag: BagRecord
    errors_px: dict[str, ErrorRecord]
    live: LiveRecord | None
    page: str


@dataclass(frozen=True, eq=False)
class Demo:
    """All that the demo found out.

    Attributes:
        out: the folder.
        stills: two single pairs.
        moments: the drive and its truth.
        live: what the node made of it; None where ROS 2 is not installed.
        recording: what ``distillmatch bag`` made of it.
        summary: of that run.
        passes: homographies of the same with a full pass for each pair.
    """

    out: Path
    stills: tuple[Still, ...]
    moments: tuple[Moment, ...]
    live: Live | None
    recording: Recording
    summary: BagSummary
    passes: Homographies

    @property
    def page(self) -> Path:
        """Where its page is."""
        return self.out / PAGE

    def errors(self, found: Homographies) -> dict[int, float]:
        """Error of each homography, root mean square, visible pixels, by stamp."""
        truth = {moment.stamp: moment.truth for moment in self.moments}
        return {
            stamp: truth[stamp].rms_px(homography)
            for stamp, homography in found.items()
            if homography is not None and stamp in truth
        }

    def compared_errors(self) -> dict[str, list[float]]:
        """Errors of the pairs that were tracked: so, with a pass for each, and the least there can be."""
        stamps = {entry.stamp for entry in self.recording.entries if entry.status == Status.TRACKED}
        tracked, passes = self.errors(homographies(self.recording)), self.errors(self.passes)
        return {
            "tracked": [error for stamp, error in tracked.items() if stamp in stamps],
            "passes": [error for stamp, error in passes.items() if stamp in stamps],
            "best": [moment.truth.best_rms_px() for moment in self.moments if moment.stamp in stamps],
        }

    def record(self) -> dict[str, Any]:
        """The demo as a JSON object: a `DemoRecord`."""
        return {
            "stills": [
                {**still.result.record(), "rms_px": still.rms_px, "best_rms_px": still.best_rms_px}
                for still in self.stills
            ],
            "bag": self.summary.record(),
            "errors_px": {name: _sum_up(errors) for name, errors in self.compared_errors().items()},
            "live": self.live and {"rate": self.live.rate, "agreement": asdict(self.live.agreement)},
            "page": str(self.page),
        }


def run_demo(
    parameters: Parameters,
    out: Path,
    *,
    seed: int = 0,
    frames: int = 30,
    on_step: Callable[[str], None] = lambda _: None,
) -> Demo:
    """Render a drive, register it live and as a bag, and compare.

    Args:
        parameters: of the node; the bag run takes the same.
        out: folder for the bags, the pictures and the page; what an earlier demo left there is replaced.
        seed: which street.
        frames: of each camera.
        on_step: told what comes next.

    Raises:
        DistillMatchError: the network cannot be opened, ``out`` not be written, or a process failed.
    """
    # Bits depend on the number of threads: bags get as many as the node takes by itself.
    parameters = parameters.replace(threads=threads_beside(parameters))
    with open_registrar(parameters) as registrar:
        for name in BAGS:
            (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / f"{name}.part", ignore_errors=True)
        on_step("two stills of a synthetic street, by day and by night")
        stills = register_stills(registrar, out, seed)
    on_step(f"a drive along it: {frames} pairs of images, rendered and written as a bag")
    moments = record_drive(out / DRIVE, seed=seed, frames=frames, rate_hz=RATE_HZ)
    rate = _replay_rate(stills)
    if is_possible():
        speed = (
            "in real time" if rate == 1 else f"at {rate:.2g} of real time, as this machine is slow or busy"
        )
        on_step(f"the bag played to the running node over DDS, {speed}")
        make_folder(out / LOGS)
        run_live(out / DRIVE, out / LIVE, out / LOGS / "live.log", rate, _arguments(parameters))
    on_step("the bag once more, through distillmatch bag")
    summary = _register(parameters, out / DRIVE, out / BAG)
    recording = read_bag(out / BAG, out / DRIVE)
    on_step("and with a full pass for each pair, to compare the tracked pairs with")
    _register(parameters.changed({"pass_seconds": 0.0}), out / DRIVE, out / PASSES)
    passes = homographies(read_bag(out / PASSES, out / DRIVE))
    live = _compared(parameters, out, recording, rate) if is_possible() else None
    return Demo(out, stills, moments, live, recording, summary, passes)


def _register(parameters: Parameters, bag: Path, out: Path) -> BagSummary:
    job = BagJob(bag, out, RGB, THERMAL, chosen_outputs(RECORDED))
    with open_registrar(parameters) as registrar:
        stream = open_stream(parameters, registrar)
        return process_bag(job, stream, parameters, about=provenance(parameters, registrar))


def _compared(parameters: Parameters, out: Path, bag: Recording, rate: float) -> Live:
    live = read_bag(out / LIVE, out / DRIVE)
    answered, offline = homographies(live), homographies(bag)
    if answered.keys() != offline.keys():
        select_pairs(out / DRIVE, out / ANSWERED, RGB, answered.keys())
        _register(parameters, out / ANSWERED, out / AGAIN)
        offline = homographies(read_bag(out / AGAIN, out / DRIVE))
        for name in (ANSWERED, AGAIN):  # as large as the drive, and told apart by its page
            (out / name).unlink()
    return Live(rate, live, compare(answered, offline, THERMAL_SIZE[::-1], VISIBLE_SIZE[::-1]))


def _replay_rate(stills: Sequence[Still]) -> float:
    """Real time, unless the node would have to drop most of the pairs; the first still warms up."""
    registration = stills[-1].result.registration
    seconds = registration.latency_ms["total"] / 1e3 if registration else 0.0
    return max(SLOWEST, min(1.0, 1 / (RATE_HZ * max(seconds, 1e-3))))


def _arguments(parameters: Parameters) -> list[str]:
    """What the node has to be told to have these parameters."""
    default, arguments = Parameters(), []
    for name in ("model", "backend", "threads"):
        if getattr(parameters, name) != getattr(default, name):
            arguments += ["-p", f"{name}:={getattr(parameters, name)}"]
    return arguments


def _sum_up(errors: Sequence[float]) -> ErrorRecord:
    if not errors:
        return {"median": None, "p95": None, "worst": None}
    return {
        "median": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
        "worst": max(errors),
    }
