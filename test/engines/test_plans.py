"""Plans on disk: who may write them and when, in real files and real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.tiny_network import WriteNetwork

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BuildOptions, Key, Machine, Plan, PlanCache

ORIN = Machine("10.3.0", "Orin", "8.7")


@pytest.fixture
def network(write_network: WriteNetwork) -> OnnxFile:
    return OnnxFile.read(write_network())


def make_plan(cache: PlanCache, network: OnnxFile, machine: Machine = ORIN) -> Plan:
    key = Key(network.sha256(), machine, BuildOptions(), ("TF32",))
    return Plan(cache.path(network, machine), b"machine code", key, network.metadata)


def test_a_plan_comes_back_as_it_went(network: OnnxFile) -> None:
    cache = PlanCache()
    assert cache.find(network, ORIN) is None
    with cache.building():
        make_plan(cache, network).write()
    assert cache.find(network, ORIN) == make_plan(cache, network)
    leftovers = {path.name for path in cache.folder.iterdir()} - {"lock"}
    assert {Path(name).suffix for name in leftovers} == {".plan", ".json"}


def test_the_cache_is_the_users(cache_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert PlanCache().folder == cache_folder
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert PlanCache().folder == tmp_path / ".cache" / "distillmatch_ros"


def test_a_plan_under_a_false_name_is_not_taken(network: OnnxFile, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the file is called: the sidecar decides, and it must fit to the letter."""
    cache, thor = PlanCache(), Machine("10.3.0", "Thor", "11.0")
    with cache.building():
        plan = make_plan(cache, network, thor)
        plan.write()
    for suffix in (".plan", ".json"):
        plan.path.with_suffix(suffix).rename(cache.path(network, ORIN).with_suffix(suffix))
    assert cache.find(network, ORIN) is None
    assert "was built from or for something else" in caplog.text


def test_a_plan_of_another_schema_is_not_taken(network: OnnxFile, caplog: pytest.LogCaptureFixture) -> None:
    cache = PlanCache()
    with cache.building():
        plan = make_plan(cache, network)
        plan.write()
    sidecar = plan.path.with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace('"schema": 1\n', '"schema": 2\n'))
    assert cache.find(network, ORIN) is None
    assert "another version of this package" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_said_before_the_build(cache_folder: Path) -> None:
    cache_folder.mkdir(parents=True)
    cache_folder.chmod(0o500)
    with pytest.raises(DistillMatchError, match="cannot be written"), PlanCache().building():
        pytest.fail("the build began")


def test_a_folder_that_cannot_be_is_said_before_the_build(cache_folder: Path) -> None:
    cache_folder.parent.mkdir(parents=True)
    cache_folder.write_text("a file stands where the folder should be")
    with pytest.raises(DistillMatchError, match="cannot be written"), PlanCache().building():
        pytest.fail("the build began")


def test_one_process_builds_and_the_others_wait(cache_folder: Path) -> None:
    """Two real processes: each says when it enters and leaves; the second is told that it waits."""
    program = (
        "import sys, time\n"
        "from distillmatch_ros.engines.plans import PlanCache\n"
        "with PlanCache().building():\n"
        "    print('in', time.monotonic(), flush=True)\n"
        "    sys.stdin.readline()\n"
        "    print('out', time.monotonic(), flush=True)\n"
    )

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    first = begin()
    assert first.stdout is not None
    assert first.stdout.readline().startswith("in")
    second = begin()
    assert second.stderr is not None
    assert "another process is building an engine; waiting" in second.stderr.readline()
    time.sleep(0.1)
    left = first.communicate("\n")[0].split()
    entered = second.communicate("\n")[0].split()
    assert left[0] == "out" and entered[0] == "in"
    assert float(left[1]) <= float(entered[1])


def test_a_killed_builder_locks_nobody_out(cache_folder: Path) -> None:
    program = (
        "import os\n"
        "from distillmatch_ros.engines.plans import PlanCache\n"
        "with PlanCache().building():\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with PlanCache().building():
        pass
