"""Fleets over real Dask processes: equal results, workers that are killed, bags that kill them."""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread, current_thread
from unittest.mock import MagicMock, Mock

import pytest
from support import ROOT
from support.bags import RGB, Drive, digests, write_bag
from support.fleet import (
    PROGRAM,
    QUICK,
    TOPICS,
    dask_cluster,
    read_manifest,
    start,
    wait_for,
    write_drives,
)

from distillmatch_ros import __version__
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet import cluster
from distillmatch_ros.fleet.cluster import RETRIES, Cluster, open_remote
from distillmatch_ros.fleet.plan import Order, Unit
from distillmatch_ros.stream.parameters import Parameters


def command(*arguments: object) -> tuple[object, ...]:
    return (*PROGRAM, "bag", *arguments, *TOPICS)


@pytest.mark.slow
def test_two_workers_one_killed_midway_lose_nothing(model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "abcd", pairs=30)
    alone = start(command(drives[0], "alone.mcap", "--model", model, "--threads", 1), tmp_path)
    assert alone.wait(200) == 0, alone.communicate()
    with dask_cluster(tmp_path, 2, "--no-nanny") as dask:
        arguments = command(*drives, "out", "--model", model, "--cluster", dask.address, "--json", "-")
        with start(arguments, tmp_path) as client:
            wait_for(lambda: len(list(tmp_path.glob("out/*.mcap"))) > 1)
            dask.workers[0].send_signal(signal.SIGKILL)
            output, error = client.communicate(timeout=200)
    assert client.returncode == 0, error
    assert "workers: " in error and "dashboard: " in error
    assert [Path(record["bag"]).stem for record in json.loads(output)] == list("abcd")
    assert {record["state"] for record in read_manifest(tmp_path / "out").values()} == {"done"}
    for drive in drives:
        assert digests(tmp_path / "out" / drive.name) == digests(tmp_path / "alone.mcap")


@pytest.mark.slow
def test_a_bag_that_kills_its_workers_is_reported_and_stops_no_other(model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "abc")
    (tmp_path / "fatal").mkdir()
    # What stands for a bag that takes more memory than there is: who opens it is killed.
    (tmp_path / "fatal/sitecustomize.py").write_text(
        "import os, signal, pathlib\n"
        "opened = pathlib.Path.open\n"
        "def open_or_die(self, *arguments, **keywords):\n"
        "    if self.name == 'b.mcap':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return opened(self, *arguments, **keywords)\n"
        "pathlib.Path.open = open_or_die\n"
    )
    path = {"PYTHONPATH": f"{tmp_path / 'fatal'}:{ROOT}"}
    with start(command(*drives, "out", "--model", model, *QUICK, "--jobs", 2), tmp_path, path) as client:
        _, error = client.communicate(timeout=200)
    assert client.returncode == 1, error
    assert f"b.mcap: {RETRIES + 1} workers were lost with it" in error and error.count("error: ") == 1
    states = {name: record["state"] for name, record in read_manifest(tmp_path / "out").items()}
    assert states == {"a": "done", "b": "failed", "c": "done"}


@pytest.mark.slow
def test_a_bag_may_be_bigger_than_the_memory_of_a_worker(model: str, tmp_path: Path) -> None:
    first = next(each for each in Drive(size=(1080, 1440)).messages() if each.topic == RGB)
    messages = [
        replace(each, message=replace(first.message, header=each.message.header))
        if each.topic == RGB
        else each
        for each in Drive(pairs=110, info=False).messages()
    ]
    bag = write_bag(tmp_path, "mcap", messages)
    limit = 480_000_000
    assert next(bag.glob("*.mcap")).stat().st_size > limit
    with dask_cluster(tmp_path, 1, "--memory-limit", str(limit)) as dask:
        arguments = command(bag, "out", "--model", model, *QUICK, "--cluster", dask.address)
        with start(arguments, tmp_path) as client:
            _, error = client.communicate(timeout=200)
    assert client.returncode == 0, error


@pytest.mark.slow
def test_workers_leave_what_a_client_that_was_killed_wanted(model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "ab", pairs=200)
    with dask_cluster(tmp_path, 1, "--no-nanny") as dask:
        arguments = command(*drives, "out", "--model", model, *QUICK, "--cluster", dask.address)
        with start(arguments, tmp_path) as client:
            part = tmp_path / "out/a.mcap.part"
            wait_for(part.exists)
            client.kill()
        wait_for(lambda: not part.exists())
    with Bag(tmp_path / "out/a.mcap") as written:
        assert sum(topic.count for topic in written.topics.values()) < 200
    assert not (tmp_path / "out/b.mcap").exists()


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_named(model: str, tmp_path: Path) -> None:
    drives = write_drives(tmp_path, "ab", pairs=200)
    with dask_cluster(tmp_path, 1, "--no-nanny") as dask:
        arguments = command(*drives, "out", "--model", model, "--cluster", dask.address)
        with start(arguments, tmp_path) as client:
            wait_for((tmp_path / "out/a.mcap.part").exists)
            dask.scheduler.kill()
            _, error = client.communicate(timeout=200)
    assert (
        client.returncode == 2
        and "error: the connection to the scheduler is lost; " in error
        and "Traceback" not in error
    )


class ClientDouble:
    """Tells of three frames of each bag, as Dask does from a thread of its own, and then of its end."""

    dashboard_link = ""

    def nthreads(self) -> dict[str, int]:
        return {"worker": 1}

    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, int]], None]) -> None:
        self.handler = handler

    def unsubscribe_topic(self, topic: str) -> None:
        self.handler = None

    def submit(self, work: object, unit: Unit, order: Order, run: str, key: str) -> Mock:
        def end(tell: Callable[[object], None]) -> None:
            Thread(target=lambda: (self.handler((0.0, 3)), tell(future))).start()

        future = Mock(key=key, add_done_callback=end)
        future.result.return_value = BagSummary(unit.source, unit.target)
        return future


def test_progress_is_told_in_the_callers_thread() -> None:
    """A terminal that was closed raised SystemExit in Dask's thread, which ended: the run waited for ever."""
    order, seen = Order(Parameters(), {}, ("homography",)), list[tuple[int, Thread]]()
    units = [Unit(name, (f"{name}.mcap",), f"out/{name}.mcap") for name in "ab"]
    register_all = Cluster(ClientDouble()).register_all  # type: ignore[arg-type]
    told = register_all(
        units, order, on_frames=lambda n: seen.append((n, current_thread())), stop=lambda: False
    )
    assert [outcome.unit.name for outcome in told] == ["a", "b"]
    assert seen == [(3, current_thread())] * 2
    with pytest.raises(SystemExit):
        list(register_all(units, order, on_frames=lambda _: sys.exit(1), stop=lambda: False))


def test_no_more_bags_are_under_way_than_there_are_slots() -> None:
    """Bags that wait in the scheduler would be lost with it, and could not be stopped."""

    class TwoWorkers(ClientDouble):
        def __init__(self) -> None:
            self.begun: list[str] = []

        def nthreads(self) -> dict[str, int]:
            return {"one": 1, "other": 1}

        def submit(self, work: object, unit: Unit, order: Order, run: str, key: str) -> Mock:
            self.begun.append(unit.name)
            return super().submit(work, unit, order, run, key)

    client = TwoWorkers()
    order = Order(Parameters(), {}, ("homography",))
    units = [Unit(name, (f"{name}.mcap",), f"out/{name}.mcap") for name in "abcde"]
    told = Cluster(client).register_all(  # type: ignore[arg-type]
        units, order, on_frames=lambda _: None, stop=lambda: False
    )
    under_way = [len(client.begun) - ended for ended, _ in enumerate(told)]
    assert sorted(client.begun) == list("abcde") and max(under_way) == 2


@pytest.mark.parametrize("versions", [{"a": __version__, "b": "0.0.1"}, ModuleNotFoundError("no package")])
def test_workers_of_another_version_are_named(
    versions: dict[str, str] | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MagicMock()
    client.run.side_effect = [versions]
    monkeypatch.setattr(cluster, "Client", lambda *_, **__: client)
    other = "none" if isinstance(versions, Exception) else "0.0.1"
    with pytest.raises(DistillMatchError, match=rf"tcp://there:1: .* {other}"), open_remote("tcp://there:1"):
        pass


def test_without_a_scheduler_the_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with (
        pytest.raises(DistillMatchError, match=r"tcp://127.0.0.1:1: no scheduler answers"),
        open_remote("tcp://127.0.0.1:1"),
    ):
        pass
