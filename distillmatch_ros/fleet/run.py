"""Run of a fleet: planning, distribution to workers, manifest, resumption."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from distillmatch_ros.bags.guess import count_frames
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import BREAK, DistillMatchError, needing
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.fleet.manifest import Manifest, open_manifest
from distillmatch_ros.fleet.places import is_url, last_bytes
from distillmatch_ros.fleet.plan import ASKED_AT_ONCE, Order, Unit, check_outputs, plan
from distillmatch_ros.fleet.work import Outcome, register_all
from distillmatch_ros.stream.sensors import MATCHED, Sensor

LOCAL = "local"
"""Name of the cluster on this machine."""
THREADS = 2
"""Threads of each of its workers: one worker per pair of cores."""
COUNTED = 100
"""Greatest number of bags whose frames are counted for the progress bar, which means opening each."""
MCAP_MAGIC, PARQUET_MAGIC = b"\x89MCAP0\r\n", b"PAR1"
"""The last bytes of a file that was written to its end."""


@dataclass(frozen=True)
class Watch:
    """Callbacks of a run.

    Attributes:
        on_begin: called with the number of bags and the number of their visible frames, None if unknown.
        on_frames: called with the number of visible frames read since the last call, in any thread.
        on_bag: called when a bag ends.
        on_note: called with a hint for the user.
        stop: polled; True ends the run early.
    """

    on_begin: Callable[[int, int | None], None] = lambda bags, frames: None
    on_frames: Callable[[int], None] = lambda number: None
    on_bag: Callable[[], None] = lambda: None
    on_note: Callable[[str], None] = lambda note: None
    stop: Callable[[], bool] = lambda: False


def run_fleet(
    inputs: Sequence[str],
    out: str,
    order: Order,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    table: str | None = None,
    rerun: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    watch: Watch | None = None,
) -> list[BagSummary]:
    """Register bags; an error in one is reported in its summary and does not stop the others.

    Args:
        inputs: see `plan`.
        out: see `plan`; a folder gets a manifest.
        order: settings of the run.
        jobs: bags in parallel. 1 is this process with the threads of the order; more are processes of one
            engine thread each, unless the order sets another number.
        cluster: `LOCAL` for workers of `THREADS` threads each, or the address of a scheduler.
        table: folder of the Parquet files; None for none.
        rerun: path of the recording for Rerun's viewer, of one bag; None for none.
        overwrite: replace existing outputs.
        resume: skip what the manifest records as done, and replace the other outputs that it names.
        watch: callbacks.

    Returns:
        A summary of each bag that was begun, in the order of the inputs.

    Raises:
        DistillMatchError: the only bag cannot be used, the network not be opened, a package is missing, or
            see `plan`, `open_manifest`.
    """
    watch, single = watch or Watch(), PurePosixPath(out).suffix == ".mcap"
    if resume and single:
        raise DistillMatchError(f"{out}: --resume goes on with a folder; name one, or leave --resume out")
    if rerun is not None and (not single or cluster not in (None, LOCAL)):
        raise DistillMatchError(f"{rerun}: holds one bag, registered here; name OUT.mcap, and no cluster")
    if cluster not in (None, LOCAL):
        if jobs > 1:
            raise DistillMatchError(
                f"--jobs {jobs}: the workers of {cluster} take as many bags as they have threads; leave it "
                "out"
            )
        inputs, out = [_absolute(each) for each in inputs], _absolute(out)
        table = None if table is None else _absolute(table)
    here = cluster is None and jobs == 1
    units = plan(inputs, out, table, *map(order.topics.get, MATCHED), opening=here)
    if single:
        units = [replace(unit, rerun=rerun, overwrite=overwrite) for unit in units]
        check_outputs(units, out)
        return _run(units, order, jobs, cluster, watch, None)
    order.check()
    if not resume:  # before the folder is created; under its lock once more
        check_outputs([replace(unit, overwrite=overwrite) for unit in units], out)
    with open_manifest(out) as manifest:
        begun = manifest.names if resume else set()
        units = [replace(unit, overwrite=overwrite or unit.name in begun) for unit in units]
        if resume:
            left = _left(units, order, manifest)
            watch.on_note(f"{len(units) - len(left)} of {len(units)} bags are done already")
            units = left
        check_outputs(units, out)
        manifest.begin(units, order)
        return _run(units, order, jobs, cluster, watch, manifest) if units else []


def _left(units: Sequence[Unit], order: Order, manifest: Manifest) -> list[Unit]:
    """Units that are not done, or whose outputs are missing or cut off."""
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        whole = threads.map(lambda unit: manifest.is_done(unit, order) and _is_whole(unit), units)
        return [unit for unit, done in zip(units, whole, strict=True) if not done]


def _is_whole(unit: Unit) -> bool:
    """Whether each output ends as files of its format do."""
    ends = {unit.target: MCAP_MAGIC} | ({} if unit.table is None else {unit.table: PARQUET_MAGIC})
    return all(last_bytes(place, len(end)) == end for place, end in ends.items())


def _run(
    units: Sequence[Unit],
    order: Order,
    jobs: int,
    cluster: str | None,
    watch: Watch,
    manifest: Manifest | None,
) -> list[BagSummary]:
    outcomes: dict[str, Outcome] = {}
    with _workers(order, min(jobs, len(units)), cluster, watch) as register:
        for outcome in register(units):
            outcomes[outcome.unit.name] = outcome
            if manifest is not None:
                manifest.end(outcome)
            watch.on_bag()
    if len(units) == 1 and outcomes and (error := outcomes[units[0].name].error):
        raise DistillMatchError(*error.split(BREAK))
    return [outcomes[unit.name].summary for unit in units if unit.name in outcomes]


@contextmanager
def _workers(
    order: Order, jobs: int, cluster: str | None, watch: Watch
) -> Iterator[Callable[[Sequence[Unit]], Iterator[Outcome]]]:
    """A function that registers units, in this process or on a cluster."""
    if cluster is None and jobs == 1:
        yield partial(_register_here, order=order, watch=watch)
        return
    with needing("fleet"):
        from distillmatch_ros.fleet.cluster import open_local, open_remote
    if watch.stop():  # loading takes seconds, and starting workers more of them
        yield lambda _: iter(())
        return
    threads = order.parameters.threads or (min(THREADS, usable_cores()) if cluster == LOCAL else 1)
    order = replace(order, parameters=order.parameters.replace(threads=threads))
    workers = jobs if jobs > 1 else max(1, usable_cores() // threads)
    opened = open_remote(cluster) if cluster not in (None, LOCAL) else open_local(workers)
    with opened as dask:
        if cluster is not None:
            watch.on_note(f"workers: {dask.slots}, dashboard: {dask.dashboard}")

        def register(units: Sequence[Unit]) -> Iterator[Outcome]:
            watch.on_begin(len(units), None)
            return dask.register_all(units, order, on_frames=watch.on_frames, stop=watch.stop)

        yield register


def _register_here(units: Sequence[Unit], order: Order, watch: Watch) -> Iterator[Outcome]:
    here = [tuple(map(Path, unit.sources)) for unit in units if not any(map(is_url, unit.sources))]
    counted = len(here) == len(units) <= COUNTED
    watch.on_begin(len(units), count_frames(here, order.topics.get(Sensor.VISIBLE)) if counted else None)
    return register_all(units, order, on_frame=lambda: watch.on_frames(1), stop=watch.stop)


def _absolute(place: str) -> str:
    """An absolute place, since workers may have another working directory."""
    return place if is_url(place) else str(Path(place).absolute())
