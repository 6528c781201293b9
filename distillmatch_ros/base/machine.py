"""The machine: what this process may use of it, and what it is called."""

import math
import os
import platform
import re
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")
"""Where ``proc`` and ``sys`` lie."""


def usable_cores(system: Path = SYSTEM) -> int:
    """Cores that this process may keep busy, at least 1; engines take as many threads.

    These are the cores it may run on (the affinity, which a cpuset narrows too), or fewer where the CPU quota
    of a control group, such as a container's, is lower; a broken number is rounded up.

    Args:
        system: where ``proc`` and ``sys`` lie.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _cpu_quota(system))))


def processor() -> str:
    """The name on the box where the system tells it, else the architecture."""
    listing = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", listing.read_text()) if listing.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


def describe() -> str:
    """Processor, cores and system in a line."""
    return f"{processor()}, {usable_cores()} cores, {platform.system()} {platform.machine()}"


def _cpu_quota(system: Path) -> float:
    """Cores' worth of time that the control groups of this process grant; infinite without a limit.

    Versions 1 and 2 alike; a group is limited by those above it too. Source: cgroups(7).
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
        # Inside a container the path may be the host's, which is not visible: then the top is the own group.
        group = PurePosixPath(os.path.normpath(path)).relative_to("/")
        quota = min(quota, *(_quota_of(top / folder) for folder in (group, *group.parents)))
    return quota


def _quota_of(group: Path) -> float:
    """Cores' worth of time that one control group grants; infinite without a limit, or without the group."""
    try:
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except FileNotFoundError:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((group / name).read_text() for name in names)
        return float(quota) / float(period) if float(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max" is no number: there is no limit
        return math.inf
