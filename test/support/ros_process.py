"""Programs in a ROS graph of their own: a domain that nobody shares, processes that leave nothing behind."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from support import ROOT

PATIENCE_S = 60.0
"""For whatever has to happen; the machine may be busy."""

# Of four processes of tests each has domains of its own; each domain once before any comes again.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
_DOMAINS = cycle(random.SystemRandom().sample(range(2 + _WORKER, 102, 4), 25))


def domain() -> int:
    """One that no other node of these tests has, and other programs on this machine hardly."""
    return next(_DOMAINS)


def environment(domain_id: int) -> dict[str, str]:
    return {
        **os.environ,
        "ROS_DOMAIN_ID": str(domain_id),
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH")])
        ),
    }


class Process:
    """A program that leaves nothing behind."""

    def __init__(self, command: Sequence[str], domain_id: int, log: Path) -> None:
        self._log = log
        with log.open("w") as said:
            self._process = subprocess.Popen(
                command,
                env=environment(domain_id),
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Ask it to end, and see that it does."""
        if self.is_running():
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


def start_node(domain_id: int, folder: Path, *arguments: str) -> Process:
    """``fusion_node``; arguments such as ``-p``, ``mode:=hold``."""
    command = [sys.executable, "-m", "distillmatch_ros.ros.fusion_node", "--ros-args", *arguments]
    return Process(command, domain_id, folder / "fusion_node.log")


@contextmanager
def closing_all() -> Iterator[list[Any]]:
    """Closes whatever was appended, the latest first, and checks that nothing of it is left."""
    things: list[Any] = []
    try:
        yield things
    finally:
        for thing in reversed(things):
            thing.close()
        assert not [thing for thing in things if isinstance(thing, Process) and thing.is_running()]


def wait_for(true: Callable[[], Any]) -> None:
    """Wait without a ROS graph."""
    end = monotonic() + PATIENCE_S
    while not true():
        assert monotonic() < end
        sleep(0.02)
