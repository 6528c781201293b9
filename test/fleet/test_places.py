"""Bags and outputs in a store: a real S3 server on this machine."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from support.bags import Drive, digests, write_bag
from support.fleet import QUICK, TOPICS, write_drives
from typer.testing import CliRunner, Result

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.fleet.places import existing, matching, published, staged, version

SECRET = "of-the-tests"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def store(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bucket ``drives``, reached as a user would: by the environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    if system.exists("drives"):
        system.rm("drives", recursive=True)
    system.mkdir("drives")
    return system


def run(model: str, *arguments: object) -> Result:
    words = ["bag", *map(str, arguments), *TOPICS, *QUICK, "--model", model, "--threads", "1"]
    return CliRunner().invoke(app, words)


@pytest.mark.slow
def test_bags_come_from_a_store_and_outputs_go_there(model: str, store: Any, tmp_path: Path) -> None:
    for drive, name in zip(write_drives(tmp_path, "ab"), ("mon/a", "tue/b"), strict=True):
        store.put_file(str(drive), f"drives/in/{name}.mcap")
    store.pipe_file("drives/in/tue/c.mcap", b"damaged")
    arguments = ("s3://drives/in/*/*.mcap", "s3://drives/out", "--table", "s3://drives/table")
    result = run(model, *arguments, "--json", "-")
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert [record["bag"] for record in told] == [
        "s3://drives/in/mon/a.mcap",
        "s3://drives/in/tue/b.mcap",
        "s3://drives/in/tue/c.mcap",
    ]
    assert told[0]["out"] == "s3://drives/out/mon/a.mcap" and told[0]["pairs"] == 3
    assert "s3://drives/in/tue/c.mcap: not a bag that can be read" in result.stderr
    assert "/tmp" not in result.output and SECRET not in result.output
    assert existing("s3://drives/out") == {"manifest.jsonl", "mon/a.mcap", "tue/b.mcap"}
    assert existing("s3://drives/table") == {"bag=mon%2Fa/pairs.parquet", "bag=tue%2Fb/pairs.parquet"}
    assert run(model, tmp_path / "a.mcap", "here.mcap").exit_code == 0
    store.get_file("drives/out/mon/a.mcap", "there.mcap")
    assert digests(Path("there.mcap")) == digests(Path("here.mcap"))
    store.get_file("drives/out/manifest.jsonl", "manifest.jsonl")
    records = [json.loads(line) for line in Path("manifest.jsonl").read_text().splitlines()]
    assert [record["state"] for record in records] == ["done", "done", "failed"]
    assert records[0]["stamp"] == store.info("drives/in/mon/a.mcap")["ETag"].strip('"')
    assert run(model, *arguments).exit_code == 2  # they exist
    store.put_file(str(tmp_path / "a.mcap"), "drives/in/tue/c.mcap")
    result = run(model, *arguments, "--json", "-", "--resume")
    assert [record["bag"] for record in json.loads(result.stdout)] == ["s3://drives/in/tue/c.mcap"]
    fleet = CliRunner().invoke(app, ["fleet", "s3://drives/table", "--json", "-"])
    assert {record["bag"] for record in json.loads(fleet.stdout)} == {"mon/a", "tue/b", "tue/c"}


def test_folders_of_a_store_are_bags_too(model: str, store: Any, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=3))
    store.put(str(bag), "drives/monday", recursive=True)
    before = version("s3://drives/monday")
    assert before.size == sum(file.stat().st_size for file in bag.iterdir())
    result = run(model, "s3://drives/monday", "out", "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["pairs"] == 3
    store.pipe_file("drives/monday/metadata.yaml", b"other")
    assert version("s3://drives/monday") != before


@pytest.mark.usefixtures("store")
def test_what_is_published_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with published("s3://drives/x/whole.txt") as path:
        path.write_text("whole")
        assert existing("s3://drives") == set()
    assert existing("s3://drives") == {"x/whole.txt"}
    with suppress(RuntimeError), published("s3://drives/x/half.txt") as path:
        path.write_text("half")
        raise RuntimeError
    assert existing("s3://drives") == {"x/whole.txt"}

    def cut_off(self: Any, source: str, target: str, **keywords: Any) -> None:
        raise OSError(f"connection of me:{SECRET} to sftp://me:{SECRET}@host is reset")

    monkeypatch.setattr(s3fs.S3FileSystem, "mv", cut_off)
    with (
        pytest.raises(DistillMatchError, match=r"cut\.txt: cannot be reached"),
        published("s3://drives/cut.txt") as path,
    ):
        path.write_text("cut")
    assert existing("s3://drives") == {"x/whole.txt", ".cut.txt.partial"}
    with staged("s3://drives/x/whole.txt") as path:
        assert path.read_text() == "whole" and path.name == "whole.txt"
    assert not path.exists()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://absent/x.mcap", "s3://absent/x.mcap: nothing is there"),
        ("s3://drives/x.mcap", "s3://drives/x.mcap: nothing is there"),
        ("nonsense://me:secret@drives/x.mcap", "nonsense://me:***@drives/x.mcap: cannot be reached"),
    ],
)
def test_what_cannot_be_reached_is_named_without_passwords(place: str, message: str) -> None:
    with pytest.raises(DistillMatchError) as error:
        version(place)
    assert message in str(error.value) and "secret" not in str(error.value)


def test_patterns_of_any_store_give_urls(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").touch()
    assert matching(f"file://{tmp_path}/*.mcap") == [f"file://{tmp_path}/a.mcap"]
