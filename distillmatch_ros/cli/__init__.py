"""``distillmatch ...``: parses and calls."""

import signal
import sys
from typing import Any

INTERRUPTED = 130
"""Exit code after Ctrl-C, as of any program that SIGINT ends."""


def main() -> None:
    """Entry point of the ``distillmatch`` program."""
    try:
        from distillmatch_ros.cli.commands import app  # takes a moment, in which Ctrl-C may come too

        app()
    except KeyboardInterrupt as interrupt:
        sys.exit(end_interrupted(interrupt))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what still ends needs no traceback of another Ctrl-C


def end_interrupted(interrupt: KeyboardInterrupt) -> int:
    """Say in a line that Ctrl-C ended the program, and what is kept if the interrupt tells; the exit code."""
    print(": ".join(filter(None, ["interrupted", str(interrupt)])), file=sys.stderr)
    return INTERRUPTED


def __getattr__(name: str) -> Any:
    """``app``, imported when it is asked for."""
    if name == "app":
        from distillmatch_ros.cli.commands import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
