"""Properties of the machine: usable cores and the processor's name."""

import math
import os
import platform
import re
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")
"""Root of the file system that holds ``proc`` and ``sys``."""


def usable_cores(system: Path = SYSTEM) -> int:
    """Number of cores that this process may use, at least 1; the default thread count of engines.

    The cores of the CPU affinity (which includes cpusets), or fewer if the CPU quota of a control group, such
    as a container's, is lower; a fractional quota is rounded up.

    Args:
        system: root of the file system that holds ``proc`` and ``sys``.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _cpu_quota(system))))


def processor() -> str:
    """The processor's model name if the system reports it, otherwise its architecture."""
    listing = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", listing.read_text()) if listing.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


def describe() -> str:
    """Processor, usable cores and system as one line of text."""
    return f"{processor()}, {usable_cores()} cores, {platform.system()} {platform.machine()}"


def _cpu_quota(system: Path) -> float:
    """CPU quota of this process's control groups, in cores; infinite without a limit.

    Supports cgroup versions 1 and 2; the lowest limit along the group's ancestors counts. Source: cgroups(7).
    """
    try:
        memberships = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return math.inf
    mounted, quota = system / "sys/fs/cgroup", math.inf
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        if not controllers:
            top = mounted
        elif "cpu" in controllers.split(","):
            top = mounted / "cpu"
        else:
            continue
        # Inside a container the path may be the host's, which is not mounted: then the root is the own group.
        group = PurePosixPath(os.path.normpath(path)).relative_to("/")
        quota = min(quota, *(_quota_of(top / folder) for folder in (group, *group.parents)))
    return quota


def _quota_of(group: Path) -> float:
    """CPU quota of one control group, in cores; infinite without a limit or without the group."""
    try:
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except FileNotFoundError:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((group / name).read_text() for name in names)
        return float(quota) / float(period) if float(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max" stands for no limit
        return math.inf
