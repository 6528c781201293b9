"""Registration of the bags of a fleet on a Dask cluster, on this machine or already running.

At most one bag per worker thread is submitted at a time, so that a killed worker affects only the bags that
it was processing. Dask reassigns these, and gives up on a bag after `RETRIES` more workers were lost with it.
"""

import ctypes
import json
import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from uuid import uuid4

from dask.typing import Key
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker
from distributed.utils import silence_logging_cmgr

from distillmatch_ros import __version__
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.plan import Order, Unit
from distillmatch_ros.fleet.work import Outcome, register
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.assembly import open_registrar
from distillmatch_ros.stream.parameters import Parameters

RETRIES = 3
"""Further workers that a bag is assigned to after the first one was lost with it."""
POLL_S = 0.1
TELL_S = 0.5
"""Interval of progress messages from a worker."""
FILE = ".json"
"""Suffix of a scheduler file."""
CONNECT_S = 20
"""Timeout for connecting to a scheduler."""


class Cluster:
    """Workers that register bags."""

    def __init__(self, client: Client) -> None:
        """Use a client, which the caller closes."""
        self._client = client
        self.dashboard: str = client.dashboard_link

    @property
    def slots(self) -> int:
        """Number of worker threads, at least 1: workers may still join."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def register_all(
        self,
        units: Iterable[Unit],
        order: Order,
        *,
        on_frames: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> Iterator[Outcome]:
        """Register bags, yielded as they end; an error in one does not stop the others.

        Args:
            units: the bags.
            order: settings of the run; its threads are those of one bag.
            on_frames: see `Watch`; called in this thread, since what a closed terminal raises in the client's
                would end that one, and the run would wait for ever.
            stop: polled; True ends early, and the bags in progress are yielded as interrupted.

        Raises:
            DistillMatchError: the connection to the scheduler is lost.
        """
        run, left, stopped = uuid4().hex, deque(units), False
        begun: dict[Key, tuple[Unit, Future[BagSummary]]] = {}
        news: Queue[int | Future[BagSummary]] = Queue()  # numbers of frames, and bags that ended
        self._client.subscribe_topic(run, lambda event: news.put(event[1]))
        with _reaching_scheduler():
            while left or begun:
                if stop() and not stopped:
                    stopped = True
                    left.clear()
                    self._client.run(_stop, run, on_error="ignore")
                free = self.slots - len(begun) if left else 0
                while left and free > 0:
                    unit, free = left.popleft(), free - 1
                    # Results that are lost with a worker are made again, and replace the outputs.
                    again = replace(unit, overwrite=True)
                    future = self._client.submit(_work, again, order, run, key=f"{run}-{unit.name}")
                    begun[future.key] = unit, future
                    future.add_done_callback(news.put)
                with suppress(Empty):
                    each = news.get(timeout=POLL_S)
                    while isinstance(each, int):
                        on_frames(each)
                        each = news.get_nowait()
                    yield _outcome(begun.pop(each.key)[0], each)
            self._client.unsubscribe_topic(run)


@contextmanager
def open_local(workers: int) -> Iterator[Cluster]:
    """Start a cluster of single-threaded processes that listens only on this machine."""
    with silence_logging_cmgr(logging.CRITICAL):
        with _without_interrupts():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                scheduler_kwargs={"allowed_failures": RETRIES},
            )
        with cluster, Client(cluster) as client:
            client.register_plugin(_LeaveInterruptsToClient())
            yield Cluster(client)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT in the threads and processes that are started in this context.

    A worker that has not yet come to `_LeaveInterruptsToClient` would end with a traceback.
    """
    resource_tracker.ensure_running()  # when it starts, it unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def open_remote(address: str) -> Iterator[Cluster]:
    """Connect to a running cluster.

    Args:
        address: address of the scheduler, such as ``tcp://host:8786``, or its scheduler file (`FILE`).

    Raises:
        DistillMatchError: no scheduler answers, or its workers have another version of this package.
    """
    with silence_logging_cmgr(logging.CRITICAL):
        try:
            place = json.loads(Path(address).read_text())["address"] if address.endswith(FILE) else address
            client = Client(place, timeout=CONNECT_S)
        except (OSError, ValueError, KeyError) as error:  # ValueError: no address
            raise DistillMatchError(
                f"{address}: no scheduler answers ({error}); start one with `dask scheduler`, or check the "
                "address"
            ) from error
        with client:
            _check_version(client, address)
            yield Cluster(client)


def _check_version(client: Client, address: str) -> None:
    try:
        versions = set(client.run(_version).values())
    except ModuleNotFoundError:
        versions = {"none"}
    if others := versions - {__version__}:
        raise DistillMatchError(
            f"{address}: workers have distillmatch_ros {', '.join(sorted(others))}, and this is "
            f"{__version__}; install the same one everywhere"
        )


@contextmanager
def _reaching_scheduler() -> Iterator[None]:
    """Translate errors of the connection to the scheduler.

    Raises:
        DistillMatchError: the connection is lost.
    """
    try:
        yield
    except (OSError, CancelledError) as error:
        raise DistillMatchError(
            "the connection to the scheduler is lost; start it again, and pass --resume"
        ) from error


def _outcome(unit: Unit, future: "Future[BagSummary]") -> Outcome:
    try:
        return Outcome(unit, future.result())
    except DistillMatchError as error:
        return Outcome.failed(unit, str(error))
    except KilledWorker:
        return Outcome.failed(
            unit,
            f"{unit.source}: {RETRIES + 1} workers were lost with it, killed or out of memory; try it alone, "
            "with more memory",
        )
    except Exception as error:  # from any package on the worker; the other bags continue
        if future.status != "error":
            raise
        return Outcome.failed(unit, f"{unit.source}: cannot be registered ({type(error).__name__}: {error})")


# What follows runs on the workers.

# Arguments of mallopt(3): parameter and bytes, the limits that glibc adapts to by default.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = (-1, 1 << 26), (-3, 1 << 25)
_here = threading.local()
_stopped: set[str] = set()


class _LeaveInterruptsToClient(WorkerPlugin):
    """Ignore SIGINT in workers: Ctrl-C reaches all processes of a terminal; the client stops its workers."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Frames:
    """Counts frames and reports them to the client at intervals."""

    def __init__(self, worker: Worker, topic: str) -> None:
        self._tell = partial(worker.log_event, topic)
        self._untold = 0
        self._told = monotonic()

    def add(self) -> None:
        self._untold += 1
        if monotonic() - self._told > TELL_S:
            self.tell()

    def tell(self) -> None:
        self._tell(self._untold)
        self._untold, self._told = 0, monotonic()


def _work(unit: Unit, order: Order, run: str) -> BagSummary:
    """Register a bag on this worker."""
    worker = get_worker()
    key = worker.get_current_task()
    frames = _Frames(worker, run)

    def stop() -> bool:
        return run in _stopped or _is_orphaned(worker, key)

    try:
        return register(
            unit,
            order,
            _registrar(order.parameters),
            on_frame=frames.add,
            stop=stop,
            scratch=worker.local_directory,
        )
    finally:
        frames.tell()


def _is_orphaned(worker: Worker, key: Key) -> bool:
    """Whether the client of a task has disconnected."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled"


def _registrar(parameters: Parameters) -> Registrar:
    """Registrar of this thread: opened for its first bag, and again if the parameters change."""
    if getattr(_here, "parameters", None) != parameters:
        _reuse_memory()
        if hasattr(_here, "registrar"):
            _here.registrar.close()
        _here.registrar, _here.parameters = open_registrar(parameters), parameters
    registrar: Registrar = _here.registrar
    return registrar


def _reuse_memory() -> None:
    """Let glibc keep freed memory for the next image, as is its default.

    Dask's nanny sets MALLOC_TRIM_THRESHOLD_ so that all memory is returned at once; with images of some MB
    this costs a third of a worker's time. Other C libraries are left alone.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(*_TRIM_THRESHOLD)
        mallopt(*_MMAP_THRESHOLD)


def _stop(run: str) -> None:
    _stopped.add(run)


def _version() -> str:
    return __version__
