"""Bags shared out among the workers of a Dask cluster: one on this machine, or one that runs already.

No more bags are given out than the workers have threads, so that a worker that is killed costs those alone
that it was at. Dask gives these to other workers, and gives up on a bag that `RETRIES` more of them were lost
with.
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
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from uuid import uuid4

from dask.typing import Key
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker
from distributed.utils import silence_logging_cmgr

from distillmatch_ros import __version__
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.offline.bag.summary import BagSummary
from distillmatch_ros.offline.fleet.plan import Order, Unit
from distillmatch_ros.offline.fleet.work import Outcome, register
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.assembly import open_registrar
from distillmatch_ros.stream.parameters import Parameters

RETRIES = 3
"""Workers that a bag is given to after the first one was lost with it."""
POLL_S = 0.1
TELL_S = 0.5
"""Time between two messages of a worker about its progress."""
FILE = ".json"
"""Suffix of a scheduler file."""
CONNECT_S = 20
"""Time that a scheduler may take to answer."""


class Cluster:
    """Workers that take bags."""

    def __init__(self, client: Client) -> None:
        """Take a client, which remains the caller's to close."""
        self._client = client
        self.dashboard: str = client.dashboard_link

    @property
    def slots(self) -> int:
        """Bags that are worked on at a time, at least 1: a scheduler without workers may get some."""
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
        """Register bags, which come out as they are done; what happens to one stops no other.

        Args:
            units: the bags.
            order: what is done with each; threads are those of a bag.
            on_frames: called with numbers of visible frames that were read, in another thread.
            stop: asked again and again whether to end early; bags that were begun come out interrupted.

        Raises:
            DistillMatchError: the scheduler is gone.
        """
        run, left, stopped = uuid4().hex, deque(units), False
        begun: dict[Key, tuple[Unit, Future[BagSummary]]] = {}
        ended: Queue[Future[BagSummary]] = Queue()
        self._client.subscribe_topic(run, lambda event: on_frames(event[1]))
        with _reaching_scheduler():
            while left or begun:
                if stop() and not stopped:
                    stopped = True
                    left.clear()
                    self._client.run(_stop, run, on_error="ignore")
                free = self.slots - len(begun) if left else 0
                while left and free > 0:
                    unit, free = left.popleft(), free - 1
                    # What is lost with a worker, results included, is done again, and replaces what is there.
                    again = replace(unit, overwrite=True)
                    future = self._client.submit(_work, again, order, run, key=f"{run}-{unit.name}")
                    begun[future.key] = unit, future
                    future.add_done_callback(ended.put)
                with suppress(Empty):
                    future = ended.get(timeout=POLL_S)
                    yield _outcome(begun.pop(future.key)[0], future)
            self._client.unsubscribe_topic(run)


@contextmanager
def open_local(workers: int) -> Iterator[Cluster]:
    """A cluster on this machine, and reachable from it alone: so many processes of a thread each."""
    with (
        silence_logging_cmgr(logging.CRITICAL),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={"allowed_failures": RETRIES},
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_LeaveInterruptsToClient())
        yield Cluster(client)


@contextmanager
def open_remote(address: str) -> Iterator[Cluster]:
    """A cluster that runs already.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``, or the `FILE` where it wrote that.

    Raises:
        DistillMatchError: no scheduler answers, or its workers have another version of this package.
    """
    with silence_logging_cmgr(logging.CRITICAL):
        try:
            told = json.loads(Path(address).read_text())["address"] if address.endswith(FILE) else address
            client = Client(told, timeout=CONNECT_S)
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
    """Around whatever needs the scheduler.

    Raises:
        DistillMatchError: it is gone.
    """
    try:
        yield
    except (OSError, CancelledError) as error:
        raise DistillMatchError(
            "the scheduler is gone; start it again, and go on with what is left by --resume"
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
    except Exception as error:  # of any package, on any machine; other bags go on
        if future.status != "error":
            raise
        return Outcome.failed(unit, f"{unit.source}: cannot be registered ({type(error).__name__}: {error})")


# What follows runs on the workers.

# Of mallopt(3): what an allocator that adapts itself reaches with images of some MB; bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = (-1, 1 << 26), (-3, 1 << 25)
_here = threading.local()
_stopped: set[str] = set()


class _LeaveInterruptsToClient(WorkerPlugin):
    """Ctrl-C reaches all processes of a terminal; the client tells its workers what follows from it."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Frames:
    """Counts frames, and tells the client now and then."""

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
    """Register a bag."""
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
    """Whether nobody waits for a task any more: its client is gone."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled"


def _registrar(parameters: Parameters) -> Registrar:
    """The network of this thread, opened for its first bag; another run may want another one."""
    if getattr(_here, "parameters", None) != parameters:
        _reuse_memory()
        if hasattr(_here, "registrar"):
            _here.registrar.close()
        _here.registrar, _here.parameters = open_registrar(parameters), parameters
    registrar: Registrar = _here.registrar
    return registrar


def _reuse_memory() -> None:
    """Have the allocator keep the memory of an image for the next one, as it does by itself.

    Dask's nanny has it give all back at once, which costs a third of a worker's time. Only glibc's is told.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(*_TRIM_THRESHOLD)
        mallopt(*_MMAP_THRESHOLD)


def _stop(run: str) -> None:
    _stopped.add(run)


def _version() -> str:
    return __version__
