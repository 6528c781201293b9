"""Batches of bags, in this process or in worker processes, with clean interruption."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from threading import Event

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.offline.bag.guess import encodings, guess_topics
from distillmatch_ros.offline.bag.processing import BagJob, process_bag
from distillmatch_ros.offline.bag.provenance import provenance
from distillmatch_ros.offline.bag.reading import Bag
from distillmatch_ros.offline.bag.storage.folder import FORMATS
from distillmatch_ros.offline.bag.summary import BagSummary
from distillmatch_ros.offline.bag.writing import check_bag
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.assembly import open_registrar, open_stream
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.synchroniser import Side

POLL_S = 0.1


def plan(bags: Sequence[Path], out: Path, overwrite: bool = False) -> list[Path]:
    """Where the output of each bag goes.

    Args:
        bags: what will be read.
        out: ``NAME.mcap`` for one bag; else a folder, in which each output is called like its bag.
        overwrite: outputs that exist may be replaced.

    Raises:
        DistillMatchError: several bags would go to one file, ``out`` is of a kind that is not written, an
            output is also an input, or see `check_bag`.
    """
    single = out.suffix == ".mcap"
    if not single and out.suffix in FORMATS:
        raise DistillMatchError(
            f"{out}: the output is an MCAP file or a folder and comes last; name {out.stem}.mcap, or a folder"
        )
    if single and len(bags) > 1:
        raise DistillMatchError(f"{out}: one file cannot hold what {len(bags)} bags give; name a folder")
    targets = [out] if single else [out / f"{bag.stem}.mcap" for bag in bags]
    if len(set(targets)) < len(targets):
        raise DistillMatchError(f"{out}: two of the bags have the same name; take them one at a time")
    read = {bag.resolve() for bag in bags}
    for target in targets:
        if target.resolve() in read:
            raise DistillMatchError(f"{target}: is one of the bags to read; name another output")
        check_bag(target, overwrite)
    return targets


def count_frames(jobs: Sequence[BagJob]) -> int:
    """Visible frames of all bags, for a progress bar; one that cannot be read has none."""
    frames = 0
    for job in jobs:
        with suppress(DistillMatchError), Bag(job.bag) as bag:
            rgb = job.rgb or guess_topics(encodings(bag)).get(Side.VISIBLE)
            frames += bag.image_topic(rgb, "--rgb").count
    return frames


def process_bags(
    jobs: Sequence[BagJob],
    parameters: Parameters,
    workers: int = 1,
    *,
    on_frame: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[BagSummary]:
    """Process bags; one that cannot be used is a problem of its summary, and the others go on.

    Args:
        jobs: what to do.
        parameters: the node's.
        workers: processes among which the bags are shared out, of one engine thread each; 1 for this process,
            with as many threads as the parameters say.
        on_frame: called for each visible frame.
        stop: asked again and again whether to end early.

    Returns:
        A summary for each job that was begun, in their order.

    Raises:
        DistillMatchError: the only bag cannot be used, or the network not be opened.
    """
    if workers > 1 and len(jobs) > 1:
        return _in_processes(jobs, parameters.replace(threads=1), min(workers, len(jobs)), on_frame, stop)
    with open_registrar(parameters) as registrar:
        process = _one if len(jobs) == 1 else _one_of_many
        return [process(job, parameters, registrar, on_frame, stop) for job in jobs if not stop()]


def _one(
    job: BagJob,
    parameters: Parameters,
    registrar: Registrar,
    on_frame: Callable[[], None],
    stop: Callable[[], bool],
) -> BagSummary:
    about = provenance(parameters, registrar)
    stream = open_stream(parameters, registrar)
    return process_bag(job, stream, parameters, about=about, on_frame=on_frame, stop=stop)


def _one_of_many(
    job: BagJob,
    parameters: Parameters,
    registrar: Registrar,
    on_frame: Callable[[], None],
    stop: Callable[[], bool],
) -> BagSummary:
    try:
        return _one(job, parameters, registrar, on_frame, stop)
    except DistillMatchError as error:
        return BagSummary(str(job.bag), str(job.out), problems=[str(error)])


def _in_processes(
    jobs: Sequence[BagJob],
    parameters: Parameters,
    workers: int,
    on_frame: Callable[[], None],
    stop: Callable[[], bool],
) -> list[BagSummary]:
    spawning = get_context("spawn")  # a fork of a process with threads may hang
    with (
        spawning.Manager() as manager,
        ProcessPoolExecutor(workers, spawning, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool,
    ):
        frames, stopped = manager.Queue(), manager.Event()
        waiting = [pool.submit(_work, job, parameters, frames, stopped) for job in jobs]
        while not all(each.done() for each in waiting) or not frames.empty():
            if stop():
                stopped.set()
            with suppress(Empty):
                frames.get(timeout=POLL_S)
                on_frame()
        return [each.result() for each in waiting]


def _work(job: BagJob, parameters: Parameters, frames: "Queue[None]", stopped: Event) -> BagSummary:
    """One bag, in a process of its own."""
    if stopped.is_set():
        return BagSummary(str(job.bag), str(job.out), interrupted=True)
    with open_registrar(parameters) as registrar:
        return _one_of_many(job, parameters, registrar, lambda: frames.put(None), stopped.is_set)
