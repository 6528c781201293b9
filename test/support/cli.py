"""The program, run as people run it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support import ROOT
from typer.testing import CliRunner, Result

from distillmatch_ros.cli import app

PROGRAM = "from distillmatch_ros.cli import main; main()"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(arguments: Sequence[object], folder: Path, program: str = PROGRAM) -> subprocess.Popen[str]:
    """The program as a process, in a group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def assert_wrong_use(result: Result, message: str) -> None:
    """Exit code 2, and the reason in one line of standard error."""
    assert result.exit_code == 2, result.output
    line = result.stderr.strip()
    assert message in line and "\n" not in line and line.startswith("error: ")
    assert result.stdout == ""
