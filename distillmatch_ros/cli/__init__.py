"""The ``distillmatch`` command line: argument parsing, and calls into the package."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from distillmatch_ros.base.files import NO_TEXT

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in shells."""


def main() -> None:
    """Entry point of the ``distillmatch`` program."""
    sys.stdout.reconfigure(errors=NO_TEXT)  # type: ignore[union-attr]  # names of files may be no text
    try:
        with _ending_at_once(), _without_collecting():
            from distillmatch_ros.cli.commands import app
        app()
    except KeyboardInterrupt as interrupt:
        sys.exit(end_interrupted(interrupt))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # another Ctrl-C during shutdown prints no traceback


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process during slow imports: some packages swallow the exception it raises."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"interrupted\n")
        os._exit(INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in a shell's background
        signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Leave garbage alone during imports, which make none: to look for it is a seventh of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor is what was imported looked at later
        gc.enable()


def end_interrupted(interrupt: KeyboardInterrupt) -> int:
    """Report that Ctrl-C ended the program, with the interrupt's message if it has one; the exit code."""
    print(": ".join(filter(None, ["interrupted", str(interrupt)])), file=sys.stderr)
    return INTERRUPTED


def __getattr__(name: str) -> Any:
    """Import ``app`` on first access."""
    if name == "app":
        from distillmatch_ros.cli.commands import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
