"""Orderly end on Ctrl-C for commands that write files."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from threading import Event
from types import FrameType

from distillmatch_ros.cli import INTERRUPTED

GIVEN_UP = "interrupted: aborted by the second Ctrl-C"
UNFINISHED = "unfinished bags are in folders NAME.mcap.part"
SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def interruptible(left: str = UNFINISHED) -> Iterator[Event]:
    """Yield an event that Ctrl-C sets; a second Ctrl-C ends this process and its children at once.

    Args:
        left: what is said then of outputs.
    """
    # Python's resource tracker would print a warning when it cleans up after an aborted process.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    asked = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            _give_up(left)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _give_up(left: str) -> None:
    for child in active_children():
        child.kill()
    # Not `print`, which the signal may have interrupted; a progress bar may have hidden the cursor.
    os.write(2, f"{SHOW_CURSOR if sys.stderr.isatty() else ''}{GIVEN_UP}; {left}\n".encode())
    os._exit(INTERRUPTED)
