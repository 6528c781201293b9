"""Cores that a process may use: the real affinity, and control groups as the kernel writes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distillmatch_ros.base import machine
from distillmatch_ros.base.machine import usable_cores

CORES = 16


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: range(CORES), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V1 = "12:cpuset:/box\n4:cpu,cpuacct:/box/inner\n1:name=systemd:/box\n0::/box\n"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({}, CORES, id="no control groups"),
        pytest.param({"proc/self/cgroup": "0::/\n"}, CORES, id="v2 at the top"),
        pytest.param(
            {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpu.max": "max 100000\n"}, CORES, id="v2 max"
        ),
        pytest.param({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2, id="v2"),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"},
            2,
            id="v2 one and a half",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5000 50000\n"}, 1, id="v2 a tenth"
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/box/inner\n",
                "sys/fs/cgroup/box/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/box/inner/cpu.max": "max 100000\n",
            },
            3,
            id="v2 limited by the group above",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/docker/1234\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"},
            4,
            id="v2 path of the host",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"},
            4,
            id="v2 path outside of the namespace",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "3200000 100000\n"}, CORES, id="v2 more"
        ),
        pytest.param({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "\n"}, CORES, id="v2 empty"),
        pytest.param(
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/box/inner/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/box/inner/cpu.cfs_period_us": "100000\n",
            },
            3,
            id="v1",
        ),
        pytest.param(
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/box/inner/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/box/inner/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
            id="v1 limited by the top",
        ),
    ],
)
def test_quota_of_control_groups(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert usable_cores(write(tmp_path, files)) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_affinity_of_the_process() -> None:
    command = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from distillmatch_ros.base.machine import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
