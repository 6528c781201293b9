"""Ctrl-C while something is written that should be left whole."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from threading import Event
from types import FrameType

from distillmatch_ros.cli import INTERRUPTED

GIVEN_UP = "interrupted: given up at the second Ctrl-C; unfinished bags stay in folders NAME.mcap.part\n"
SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def interruptible() -> Iterator[Event]:
    """An event that Ctrl-C sets; a second one ends the process, and those it started, at once."""
    # Python's tracker, which tidies up after a process that gave up, would warn that it has to.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    asked = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            _give_up()
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _give_up() -> None:
    for child in active_children():
        child.kill()
    # Not by `print`, which this may have interrupted; a bar may have hidden the cursor.
    os.write(2, f"{SHOW_CURSOR if sys.stderr.isatty() else ''}{GIVEN_UP}".encode())
    os._exit(INTERRUPTED)
