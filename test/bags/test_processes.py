"""`distillmatch bag` as a process: interrupts and memory."""

import json
import os
import signal
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from support.bags import RGB, THERMAL, Drive, write_bag
from support.cli import PROGRAM, start

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.stream.outputs import NODE

TOPICS = ("--rgb", RGB, "--thermal", THERMAL)
QUICK = ("--set", "mode=live")
"""For what ends a run, however pairs are mapped: learning a rig takes most of the time."""


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


# ru_maxrss starts at the size of the process that forked this one; VmHWM does not.
PEAK = "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
MEASURED = f"import re, pathlib\ntry:\n    {PROGRAM}\nfinally:\n    {PEAK}"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_leaves_whole_bags(jobs: int, model: str, tmp_path: Path) -> None:
    bags = []
    for name in "ab"[:jobs]:
        (tmp_path / name).mkdir()
        bags.append(write_bag(tmp_path / name, "mcap", Drive(pairs=600)).rename(tmp_path / name / name))
    arguments = ["bag", *bags, "out", *TOPICS, *QUICK, "--model", model, "--jobs", jobs, "--json", "-"]
    with start(arguments, tmp_path) as process:
        parts = [tmp_path / "out" / f"{bag.name}.mcap.part" / bag.name / f"{bag.name}.mcap" for bag in bags]
        deadline = monotonic() + 200
        while not all(part.exists() and part.stat().st_size > 200_000 for part in parts):
            assert monotonic() < deadline and process.poll() is None
            sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=200)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted: the bags hold what was registered so far"
    assert "Traceback" not in error
    for bag, record in zip(bags, json.loads(output), strict=True):
        out = tmp_path / "out" / f"{bag.name}.mcap"
        assert record["interrupted"] and 20 < record["pairs"] < 600
        with Bag(out) as written:
            assert len(list(written.messages((f"{NODE}/homography",)))) == record["pairs"]
            assert written.damage is None
        assert not out.with_name(f"{out.name}.part").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_second_interrupt_gives_up_at_once(jobs: int, model: str, tmp_path: Path) -> None:
    bags = []
    for name in "ab"[:jobs]:
        (tmp_path / name).mkdir()
        bags.append(write_bag(tmp_path / name, "mcap", Drive(pairs=600)).rename(tmp_path / name / name))
    arguments = ["bag", *bags, "out", *TOPICS, "--model", model, "--jobs", jobs]
    with start(arguments, tmp_path) as process:
        parts = [tmp_path / "out" / f"{bag.name}.mcap.part" for bag in bags]
        deadline = monotonic() + 200
        while not all(part.exists() for part in parts):
            assert monotonic() < deadline and process.poll() is None
            sleep(0.05)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= (jobs if jobs > 1 else 0)
        while process.poll() is None:  # impatiently: signals that come together count as one
            process.send_signal(signal.SIGINT)
            sleep(0.01)
        output, error = process.communicate(timeout=200)
    assert process.returncode == 130 and output == ""
    assert "aborted by the second Ctrl-C" in error and "Traceback" not in error
    psutil.wait_procs(started, timeout=10)
    assert not [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert all(part.exists() for part in parts), "nothing was finished first"


@pytest.mark.slow
@pytest.mark.parametrize("children", [1, 2, 3])
def test_interrupt_of_all_processes_while_workers_start(children: int, model: str, tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to the whole process group: to a resource tracker and two workers."""
    bag = write_bag(tmp_path, "mcap", Drive(pairs=600))
    bags = [bag.rename(tmp_path / "a"), tmp_path / "b"]
    bags[1].symlink_to(bags[0])
    with start(["bag", *bags, "out", *TOPICS, "--model", model, "--jobs", 2], tmp_path) as process:
        deadline, parent = monotonic() + 200, psutil.Process(process.pid)
        while len(parent.children(recursive=True)) < children:
            assert monotonic() < deadline and process.poll() is None
            sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=200)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted: the bags hold what was registered so far"
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_the_bag(model: str, tmp_path: Path) -> None:
    peaks = []
    for pairs in (60, 95):  # large images: as many bytes in fewer pairs; the rig is known after 55
        (tmp_path / str(pairs)).mkdir()
        bag = write_bag(tmp_path / str(pairs), "mcap", Drive(pairs=pairs, size=(512, 640), info=False))
        arguments = ["bag", bag, f"{pairs}.mcap", *TOPICS, "--model", model, "--only", "homography"]
        with start(arguments, tmp_path, MEASURED) as process:
            output, _ = process.communicate(timeout=200)
        peaks.append(int(output.split()[-1]))
        assert len(read_bag(tmp_path / f"{pairs}.mcap").entries) == pairs
    assert peaks[1] < peaks[0] + 20_000, peaks  # kB; the longer bag holds 57 MB more
