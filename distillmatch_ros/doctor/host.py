"""Shared memory, clock, main memory and the cache folder of this machine."""

import ctypes
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from distillmatch_ros.base.files import cache_folder
from distillmatch_ros.doctor.finding import FAULT, NOTE, OK, Finding

MB = 1_000_000
SEGMENT_MB = 17
"""Shared memory that a process takes with the shipped transport profile."""
PROCESSES = 5
"""Two cameras, the node, a recorder and a viewer."""
SOCKET_BUFFERS = "raise the socket buffers (net.core.rmem_max) for images of 1 MB"
WATCHED_S = 0.2
"""Time over which the clocks are compared."""
LARGEST_STEP_S = 0.002
UNSYNCHRONISED = 5
"""adjtimex(2): TIME_ERROR."""


def examine() -> Iterator[Finding]:
    """All of the machine that decides whether images arrive and pairs are found."""
    yield from shared_memory()
    yield clock()
    yield cache()
    memory = psutil.virtual_memory()
    yield Finding("memory", f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available")


def shared_memory(folder: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """Room for the segments in which FastDDS passes images, and segments of processes that were killed."""
    if not folder.is_dir():
        yield Finding("shared memory", f"no {folder}: images go through sockets", NOTE, SOCKET_BUFFERS)
        return
    usage, wanted = shutil.disk_usage(folder), SEGMENT_MB * PROCESSES
    shown = f"{usage.free / MB:.0f} of {usage.total / MB:.0f} MB of {folder} free"
    if usage.free < wanted * MB:
        yield Finding(
            "shared memory",
            shown,
            FAULT,
            f"each process takes {SEGMENT_MB} MB: start the container with --shm-size=256m, or remove "
            f"{folder}/fastrtps_* of processes that have ended",
        )
    else:
        yield Finding("shared memory", shown)


def clock() -> Finding:
    """Whether this machine keeps the time, and whether its clock is being set right now."""
    stepped = _stepped()
    if abs(stepped) > LARGEST_STEP_S:
        return Finding(
            "clock",
            f"was set by {stepped * 1e3:+.1f} ms within {WATCHED_S} s",
            FAULT,
            "let the time service settle before starting cameras: stamps that jump find no partner",
        )
    state = _synchronisation()
    if state is None:
        return Finding("clock", "its synchronisation cannot be read here", OK)
    if state == UNSYNCHRONISED:
        return Finding(
            "clock",
            "not synchronised",
            NOTE,
            "harmless with both cameras on this machine; else run chrony or ptp4l on each of them",
        )
    return Finding("clock", "synchronised")


def cache(folder: Path | None = None) -> Finding:
    """Whether compiled networks can be kept."""
    folder = folder or cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(
            "cache",
            f"{folder}: cannot be written ({error.strerror})",
            FAULT,
            "set XDG_CACHE_HOME to a folder of this user, or OpenVINO and TensorRT compile at each start",
        )
    return Finding("cache", f"{folder}: writable")


def _stepped() -> float:
    """Seconds by which the system's clock moved against the monotonic one."""
    begin = _offset()
    time.sleep(WATCHED_S)
    return _offset() - begin


def _offset() -> float:
    """Seconds by which the system's clock is ahead of the monotonic one, read without being interrupted."""
    readings = [(time.monotonic(), time.time(), time.monotonic()) for _ in range(20)]
    before, now, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return now - (before + after) / 2


def _synchronisation() -> int | None:
    """The state of the kernel's clock by adjtimex(2); None where it cannot be read."""
    try:
        libc = ctypes.CDLL(None)
        state = int(libc.adjtimex(ctypes.create_string_buffer(512)))  # `modes` 0: nothing is changed
    except (OSError, AttributeError):  # not Linux
        return None
    return None if state < 0 else state
