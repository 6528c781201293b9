"""Fleets in this process: manifests, going on after a fault, two runs into one folder."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
from support import ROOT
from support.bags import RGB, THERMAL, digests
from support.fleet import PROGRAM, QUICK, TOPICS, read_manifest, start, wait_for, write_drives
from typer.testing import CliRunner, Result

from distillmatch_ros.cli import app
from distillmatch_ros.fleet.plan import Order
from distillmatch_ros.fleet.run import Watch, run_fleet
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor


def run(model: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["bag", *map(str, arguments), *TOPICS, *QUICK, "--model", model])


def done(result: Result) -> list[str]:
    """Bags that a run registered."""
    assert result.exit_code == 0, result.output
    return [Path(record["bag"]).stem for record in json.loads(result.stdout)]


@pytest.fixture
def drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return [drive.relative_to(tmp_path) for drive in write_drives(tmp_path, "abc")]


def test_the_manifest_tells_what_became_of_each_bag(model: str, drives: list[Path]) -> None:
    drives[1].write_bytes(b"damaged")
    result = run(model, *drives, "out")
    assert result.exit_code == 1 and "b.mcap: not a bag that can be read" in result.stderr
    told = read_manifest(Path("out"))
    assert [(name, record["state"]) for name, record in told.items()] == [
        ("a", "done"),
        ("b", "failed"),
        ("c", "done"),
    ]
    assert told["a"]["input"] == "a.mcap" and told["a"]["size"] == Path("a.mcap").stat().st_size
    assert told["a"]["frames"] == {"visible": 3, "thermal": 3} and told["a"]["error"] is None
    assert told["a"]["statuses"] == {"OK": 1, "TRACKED": 2} and told["a"]["seconds"] > 0
    assert "not a bag" in told["b"]["error"] and told["b"]["problems"] == [told["b"]["error"]]
    assert len({record["settings"] for record in told.values()}) == 1


def test_a_link_to_itself_is_named_and_the_rest_goes_on(model: str, drives: list[Path]) -> None:
    Path("loop").symlink_to("loop")
    result = run(model, drives[0], "loop", drives[2], "out")
    assert result.exit_code == 1 and "loop: " in result.stderr
    states = [record["state"] for record in read_manifest(Path("out")).values()]
    assert states == ["done", "failed", "done"]


def test_a_folder_without_permission_is_named_and_the_rest_goes_on(
    model: str, drives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("locked").mkdir()
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:  # by hand, since root may read everything
        if path.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    result = run(model, drives[0], "locked", drives[2], "out")
    assert result.exit_code == 1 and "locked: cannot be read (Permission denied)" in result.stderr
    states = [record["state"] for record in read_manifest(Path("out")).values()]
    assert states == ["done", "failed", "done"]


def test_resume_does_what_failed_and_leaves_alone_what_is_done(model: str, drives: list[Path]) -> None:
    drives[1].write_bytes(b"damaged")
    run(model, *drives, "out")
    assert run(model, *drives, "out").exit_code == 2  # they exist already
    before = Path("out/a.mcap").stat().st_mtime_ns
    shutil.copy(drives[0], drives[1])
    result = run(model, *drives, "out", "--resume", "--json", "-")
    assert done(result) == ["b"] and "2 of 3 bags are done already" in result.stderr
    assert Path("out/a.mcap").stat().st_mtime_ns == before
    assert done(run(model, *drives, "out", "--resume", "--json", "-")) == []
    assert {record["state"] for record in read_manifest(Path("out")).values()} == {"done"}


@pytest.mark.slow
def test_resume_does_again_what_has_changed(model: str, drives: list[Path]) -> None:
    again = (model, *drives, "out", "--resume", "--json", "-")
    assert done(run(*again)) == ["a", "b", "c"]  # of nothing, everything is left
    Path("out/a.mcap").unlink()
    assert done(run(*again)) == ["a"]
    write_drives(Path(), "b", pairs=4)
    assert done(run(*again)) == ["b"]
    assert done(run(*again, "--set", "tolerance=0.01")) == ["a", "b", "c"]
    shutil.copy(model, "other.onnx")
    with Path("other.onnx").open("ab") as file:
        file.write(b"\x92\x03\x00")  # an unknown empty field: another file of the same network
    assert done(run("other.onnx", *again[1:], "--set", "tolerance=0.01")) == ["a", "b", "c"]


@pytest.mark.parametrize("kept", [0, 3, 200])
def test_resume_does_again_what_was_cut_off(kept: int, model: str, drives: list[Path]) -> None:
    again = (model, *drives, "out", "--table", "table", "--resume", "--json", "-")
    run(*again)
    for file, name in (("table/bag=b/pairs.parquet", "b"), ("out/c.mcap", "c")):
        whole = Path(file).read_bytes()
        Path(file).write_bytes(whole[:kept])
        assert done(run(*again)) == [name]
        assert Path(file).stat().st_size == pytest.approx(len(whole), rel=0.1)


@pytest.mark.slow
def test_a_bag_whose_name_is_no_text(model: str, drives: list[Path]) -> None:
    """Its outputs are named with the bytes as escapes: in manifest, table, JSON and pages."""
    drives[1] = drives[1].rename(os.fsdecode(b"b\xff.mcap"))
    again = (*drives, "out", "--table", "table", "--json", "bags.json")
    assert run(model, *again).exit_code == 0
    assert list(read_manifest(Path("out"))) == ["a", r"b\xff", "c"]
    assert [record["bag"] for record in json.loads(Path("bags.json").read_bytes())][1] == r"b\xff.mcap"
    assert Path(r"out/b\xff.mcap").is_file()
    assert "3 of 3 bags are done already" in run(model, *again, "--overwrite", "--resume").stderr
    for command in (["fleet", "table"], ["report", "table", "--out", "page.html"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0 and r"b\xff" in result.stdout


def test_a_command_prints_names_that_are_no_text(drives: list[Path]) -> None:
    drives[1].rename(os.fsdecode(b"b\xff.mcap"))
    printed = subprocess.run(
        [sys.executable, *PROGRAM, "inspect", b"b\xff.mcap"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert printed.returncode == 0 and rb"b\udcff.mcap" in printed.stdout and not printed.stderr


SWALLOWING = """
import signal, sys
from importlib.abc import MetaPathFinder
module = sys.argv.pop(1)
class Swallows(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException:
                pass
sys.meta_path.insert(0, Swallows())
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
from distillmatch_ros.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["typer", "distillmatch_ros.fleet.run", "distributed"])
def test_ctrl_c_that_a_package_swallows_while_it_loads_ends_the_run(
    module: str, model: str, drives: list[Path]
) -> None:
    arguments = ("bag", *drives, "out", *TOPICS, *QUICK, "--model", model, "--jobs", 2, "--resume")
    with start(("-c", SWALLOWING, module, *arguments), Path.cwd()) as client:
        _, error = client.communicate(timeout=200)
    assert client.returncode == 130 and "interrupted" in error
    assert not list(Path().glob("out/*.mcap"))


def test_resume_replaces_nothing_that_is_not_its_own(model: str, drives: list[Path]) -> None:
    Path("out").mkdir()
    Path("out/b.mcap").write_bytes(b"someone's")
    result = run(model, *drives, "out", "--resume")
    assert result.exit_code == 2 and "out/b.mcap: exists already" in result.stderr
    assert Path("out/b.mcap").read_bytes() == b"someone's" and not Path("out/a.mcap").exists()
    result = run(model, drives[0], "one.mcap", "--resume")
    assert result.exit_code == 2 and "--resume goes on with a folder" in result.stderr


def test_a_line_that_was_cut_off_is_no_harm_and_others_are_named(model: str, drives: list[Path]) -> None:
    run(model, *drives, "out")
    manifest = Path("out/manifest.jsonl")
    text = manifest.read_text()
    manifest.write_text(text + text.splitlines()[0][:40])
    assert done(run(model, *drives, "out", "--resume", "--json", "-")) == []
    manifest.write_text("{}\n" + text)
    result = run(model, *drives, "out", "--resume")
    assert result.exit_code == 2 and "out/manifest.jsonl: line 1 is invalid" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_resume_after_the_client_was_killed(jobs: int, model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "abcd", pairs=15)
    arguments = (*PROGRAM, "bag", *drives, "out", *TOPICS, "--model", model, "--threads", 1, "--jobs", jobs)
    with start(arguments, tmp_path) as client:
        wait_for(lambda: len(list(tmp_path.glob("out/*.mcap"))) > 0)
        client.send_signal(signal.SIGKILL)
    sleep(0.5)  # workers see that their client is gone
    states = [record["state"] for record in read_manifest(tmp_path / "out").values()]
    assert "planned" in states
    with start((*arguments, "--resume"), tmp_path) as client:
        _, error = client.communicate(timeout=200)
    assert client.returncode == 0, error
    assert f"{states.count('done')} of 4 bags are done already" in error
    assert len({tuple(digests(tmp_path / "out" / drive.name)) for drive in drives}) == 1
    assert {record["state"] for record in read_manifest(tmp_path / "out").values()} == {"done"}
    assert list((tmp_path / "out").glob("*.part")) == []


def test_a_second_client_into_the_same_folder_is_told(model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "ab", pairs=400)
    arguments = (*PROGRAM, "bag", *drives, "out", *TOPICS, "--model", model)
    with start(arguments, tmp_path) as first:
        wait_for((tmp_path / "out/a.mcap.part").exists)
        result = run(model, drives[1], tmp_path / "out")
        first.kill()
    assert result.exit_code == 2 and f"{tmp_path / 'out'}: another run is writing there" in result.stderr


def test_without_dask_the_remedy_is_said(
    model: str, drives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "distillmatch_ros.fleet.cluster", raising=False)
    result = run(model, *drives, "out", "--jobs", 2)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: this command needs distributed, which is not installed: "
        "pip install 'distillmatch_ros[fleet]'\n"
    )
    result = run(model, *drives, "out", "--jobs", 2, "--cluster", "tcp://127.0.0.1:1")
    assert result.exit_code == 2 and "leave it out" in result.stderr


def test_nothing_is_begun_after_a_stop(
    model: str, drives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the workers, whose start takes seconds."""
    monkeypatch.setattr("distillmatch_ros.fleet.cluster.open_local", None)
    order = Order(Parameters(model=model), {Sensor.VISIBLE: RGB, Sensor.THERMAL: THERMAL}, ("homography",))
    for jobs in (1, 2):
        assert run_fleet(["a.mcap", "b.mcap"], "out", order, jobs=jobs, watch=Watch(stop=lambda: True)) == []
    assert not list(Path().glob("out/*.mcap"))
