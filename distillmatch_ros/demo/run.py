"""The demo: a synthetic drive, registered by the running node and by ``distillmatch bag``, and compared."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.bags.image_files import PairRecord
from distillmatch_ros.bags.job import BagJob
from distillmatch_ros.bags.processing import process_bag
from distillmatch_ros.bags.provenance import provenance
from distillmatch_ros.bags.summary import BagRecord, BagSummary
from distillmatch_ros.base.files import make_folder
from distillmatch_ros.demo.agreement import Homographies, RunAgreement, compare, homographies, select_pairs
from distillmatch_ros.demo.drive import RGB, TOPICS, Moment, record_drive
from distillmatch_ros.demo.live import is_possible, run_live
from distillmatch_ros.demo.room import RoomDemo, show_room
from distillmatch_ros.demo.stills import Still, register_stills
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.reports.recording import Recording
from distillmatch_ros.scene.view import THERMAL_SIZE, VISIBLE_SIZE
from distillmatch_ros.stream.assembly import asynchronous_threads, open_registrar, open_stream
from distillmatch_ros.stream.outputs import chosen_outputs
from distillmatch_ros.stream.parameters import Parameters

DRIVE, LIVE, BAG, PAGE, LOGS = "drive.mcap", "live.mcap", "bag.mcap", "index.html", "logs"
PASSES = "passes.mcap"  # a full pass for each pair
RECORDED = ("correspondences", "homography", "status", "overlay/compressed", "thermal_registered/image")
RATE_HZ = 5.0
SLOWEST = 0.2  # of real time; slower replay would take minutes
ANSWERED, AGAIN = "answered.mcap", "answered_bag.mcap"  # temporary, if the node did not process all pairs
ROOM = "room"  # folder
BAGS = (DRIVE, LIVE, BAG, PASSES, ANSWERED, AGAIN)
OUTPUTS = (*BAGS, PAGE)
"""Files by which a folder is recognised as an earlier demo's."""


@dataclass(frozen=True, eq=False)
class Live:
    """The node's run over the drive.

    Attributes:
        rate: replay speed; 1 is real time.
        recording: the recorded outputs.
        agreement: agreement with ``distillmatch bag`` over the pairs that the node processed and no others,
            since the result for a pair depends on the pairs before it.
    """

    rate: float
    recording: Recording
    agreement: RunAgreement


class StillRecord(PairRecord):
    """A still as a JSON object.

    Attributes:
        rms_px: RMS error of the homography, visible pixels; null without a homography.
        best_rms_px: smallest RMS error that any homography reaches, visible pixels.
    """

    rms_px: float | None
    best_rms_px: float


class ErrorRecord(TypedDict):
    """Median, 95th percentile and maximum of errors, visible pixels; null if there are none."""

    median: float | None
    p95: float | None
    worst: float | None


class LiveRecord(TypedDict):
    """The node's run over the drive as a JSON object; see `Live`."""

    rate: float
    agreement: RunAgreement


class DemoRecord(TypedDict):
    """The demo as a JSON object.

    Attributes:
        stills: two single pairs.
        bag: the run of ``distillmatch bag`` over the drive.
        errors_px: RMS errors against the true geometry, visible pixels, of three groups: pairs that were
            ``tracked``, the same pairs with a full pass each (``passes``), and the smallest errors that any
            homography reaches (``best``).
        live: the node's run over the drive; null if ROS 2 is not installed.
        page: path of the HTML page.
    """

    stills: list[StillRecord]
    bag: BagRecord
    errors_px: dict[str, ErrorRecord]
    live: LiveRecord | None
    page: str


@dataclass(frozen=True, eq=False)
class Demo:
    """All results of the demo.

    Attributes:
        out: output folder.
        stills: two single pairs.
        room: a room with near things, mapped by depth.
        moments: the frames of the drive with their true geometry.
        live: the node's run; None if ROS 2 is not installed.
        recording: outputs of ``distillmatch bag``.
        summary: summary of that run.
        passes: homographies of a run with a full pass for each pair.
    """

    out: Path
    stills: tuple[Still, ...]
    room: RoomDemo
    moments: tuple[Moment, ...]
    live: Live | None
    recording: Recording
    summary: BagSummary
    passes: Homographies

    @property
    def page(self) -> Path:
        """Path of the HTML page."""
        return self.out / PAGE

    def errors(self, found: Homographies) -> dict[int, float]:
        """RMS error of each homography, visible pixels, by stamp, ns; rejected pairs are left out."""
        truth = {moment.stamp: moment.truth for moment in self.moments}
        return {
            stamp: truth[stamp].rms_px(homography)
            for stamp, homography in found.items()
            if homography is not None and stamp in truth
        }

    def compared_errors(self) -> dict[str, list[float]]:
        """Errors of the tracked pairs, of the same pairs with full passes, and the smallest possible ones."""
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
    """Render a drive, register it in the running node and as a bag, and compare.

    Args:
        parameters: parameters of the node and of the bag run.
        out: folder for bags, images and page; the files of an earlier demo are replaced.
        seed: seed of the street.
        frames: number of frames of each camera.
        on_step: called with a description of each step before it starts.

    Raises:
        DistillMatchError: the network cannot be opened, ``out`` cannot be written, or a process failed.
    """
    # Bits depend on the number of threads: bags get as many as the node takes by itself.
    parameters = parameters.replace(threads=asynchronous_threads(parameters))
    with open_registrar(parameters) as registrar:
        for name in BAGS:
            (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / f"{name}.part", ignore_errors=True)
        on_step("two stills of a synthetic street, by day and by night")
        stills = register_stills(registrar, out, seed)
        on_step("a room with near things, mapped by the depth of each pixel")
        room = show_room(registrar, out / ROOM, seed)
    on_step(f"a drive along it: {frames} pairs of images, rendered and written as a bag")
    moments = record_drive(out / DRIVE, seed=seed, frames=frames, rate_hz=RATE_HZ)
    rate = _replay_rate(stills)
    if is_possible():
        speed = (
            "in real time" if rate == 1 else f"at {rate:.2g} of real time, as this machine is slow or busy"
        )
        on_step(f"replay of the bag to the running node over DDS, {speed}")
        make_folder(out / LOGS)
        run_live(out / DRIVE, out / LIVE, out / LOGS / "live.log", rate, _arguments(parameters))
    on_step("the same bag through distillmatch bag")
    summary = _register(parameters, out / DRIVE, out / BAG)
    recording = read_bag(out / BAG, out / DRIVE)
    on_step("the same bag with a full pass for each pair, as reference for the tracked pairs")
    _register(parameters.changed({"pass_seconds": 0.0}), out / DRIVE, out / PASSES)
    passes = homographies(read_bag(out / PASSES, out / DRIVE))
    live = _compared(parameters, out, recording, rate) if is_possible() else None
    return Demo(out, stills, room, moments, live, recording, summary, passes)


def _register(parameters: Parameters, bag: Path, out: Path) -> BagSummary:
    job = BagJob(bag, out, TOPICS, chosen_outputs(RECORDED))
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
        for name in (ANSWERED, AGAIN):  # as large as the drive, and not needed by the page
            (out / name).unlink()
    return Live(rate, live, compare(answered, offline, THERMAL_SIZE[::-1], VISIBLE_SIZE[::-1]))


def _replay_rate(stills: Sequence[Still]) -> float:
    """Real time, or slower if the node would have to drop most pairs; the first still is a warm-up."""
    registration = stills[-1].result.registration
    seconds = registration.latency_ms["total"] / 1e3 if registration else 0.0
    return max(SLOWEST, min(1.0, 1 / (RATE_HZ * max(seconds, 1e-3))))


def _arguments(parameters: Parameters) -> list[str]:
    """Command-line arguments of the node that set these parameters."""
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
