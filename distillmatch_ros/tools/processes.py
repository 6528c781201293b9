"""Starts programs of this package as processes in an isolated ROS graph."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from distillmatch_ros.ros.transport import variables_to_set

EXIT_TIMEOUT_S = 10.0
"""Time for a process to end after SIGINT before it is killed, s."""


def own_graph(logs: Path) -> dict[str, str]:
    """Environment of an isolated ROS graph on this machine, set up for large images."""
    package = str(Path(__file__).parents[2])  # also for a checkout that is not installed
    return {
        **os.environ,
        **variables_to_set(os.environ),
        "ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 101)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(logs),
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }


@contextmanager
def running(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], said: TextIO
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program of the package, such as ``tools.record``; SIGINT, then SIGKILL ends it with the body."""
    command = [sys.executable, "-m", f"distillmatch_ros.{module}", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
