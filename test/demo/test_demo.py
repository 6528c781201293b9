"""The demo: stills, a drive through a bag and through the running node, and a page that says how it went."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from support.bags import Drive, write_bag
from typer.testing import CliRunner

from distillmatch_ros.bags.job import BagJob
from distillmatch_ros.bags.processing import process_bag
from distillmatch_ros.cli import app
from distillmatch_ros.cli.schemas import schema
from distillmatch_ros.demo.agreement import Homographies, compare, homographies, select_pairs
from distillmatch_ros.demo.run import run_demo
from distillmatch_ros.demo.stills import register_stills
from distillmatch_ros.demo.story import write_page
from distillmatch_ros.engines.protocol import EngineInfo, Float32, RawMatches
from distillmatch_ros.geometry.homography import resize_matrix, transform
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.assembly import open_registrar, open_stream
from distillmatch_ros.stream.outputs import chosen_outputs
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor

NETWORK = (240, 320)
RGB, THERMAL = "/rgb/image", "/thermal/image"


class KnowingEngine:
    """Answers with the truth of one pair after the other; finds nothing for None, and after the last."""

    def __init__(self, *pairs: SyntheticPair | None) -> None:
        self.info = EngineInfo(*NETWORK, 300, "knowing", "fp32", "", "none")
        self._pairs = list(pairs)

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        pair = self._pairs.pop(0) if self._pairs else None
        if pair is None:
            return RawMatches(
                np.zeros((300, 2), np.float32), np.zeros((300, 2), np.float32), np.zeros(300, np.float32)
            )
        rows, columns = np.nonzero((pair.depth > 12) & np.isfinite(pair.truth[..., 0]))
        some = np.random.default_rng(0).choice(rows.size, 300, replace=False)
        points = np.stack([columns[some], rows[some]], axis=1)
        return RawMatches(
            transform(resize_matrix((720, 960), NETWORK), pair.truth[rows[some], columns[some]]).astype(
                np.float32
            ),
            transform(resize_matrix((512, 640), NETWORK), points).astype(np.float32),
            np.ones(300, np.float32),
        )

    def close(self) -> None:
        pass


@pytest.mark.slow
def test_scenes_are_registered_measured_and_written(
    day: SyntheticPair, night: SyntheticPair, tmp_path: Path
) -> None:
    with Registrar(KnowingEngine(day, night), passes=1) as registrar:
        results = register_stills(registrar, tmp_path, seed=1)
    assert [result.name for result in results] == ["day", "night"]
    for result in results:
        assert result.result.status == Status.OK
        assert result.rms_px is not None
        assert 0 < result.best_rms_px <= result.rms_px < 4
        assert {path.name for path in result.result.pictures} == {
            f"{result.name}_{kind}.png"
            for kind in ("overlay", "matches", "registered", "mask", "visible_registered")
        }
        assert all(read_image(path).std() > 10 for path in result.result.pictures)
    assert [pair.visible.stem for pair in read_folder(tmp_path)] == ["day", "night"]
    np.testing.assert_array_equal(read_image(tmp_path / "thermal/day.png"), day.thermal)
    np.testing.assert_array_equal(read_image(tmp_path / "visible/night.png"), night.visible)


@pytest.mark.slow
def test_rejected_scene_has_no_error(
    day: SyntheticPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "distillmatch_ros.demo.stills.render_pair", lambda seed, night: day
    )  # rendering takes a while
    with Registrar(KnowingEngine(day, None), passes=1) as registrar:
        first, second = register_stills(registrar, tmp_path, seed=1)
    assert first.rms_px is not None
    assert second.rms_px is None
    assert second.result.status == Status.FEW_MATCHES


@pytest.fixture
def parameters(write_network) -> Parameters:
    return Parameters().replace(model=str(write_network()), threads=1)


def register(parameters: Parameters, bag: Path, out: Path) -> Homographies:
    with open_registrar(parameters) as registrar:
        job = BagJob(bag, out, {Sensor.VISIBLE: RGB, Sensor.THERMAL: THERMAL}, chosen_outputs(None))
        process_bag(job, open_stream(parameters, registrar), parameters)
    return homographies(read_bag(out))


def test_runs_are_compared(parameters: Parameters, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=5))
    every = register(parameters, bag, tmp_path / "every.mcap")
    stamps = list(every)
    assert len(stamps) == 5
    select_pairs(bag, tmp_path / "some.mcap", RGB, stamps[1:3])
    some = register(parameters, tmp_path / "some.mcap", tmp_path / "some_out.mcap")
    assert list(some) == stamps[1:3]
    found = compare(some, every, (64, 80), (64, 80))
    assert (found.first, found.second, found.both, found.homographies) == (2, 5, 2, 2)
    assert found.worst_px < 5  # the filter of one run knew a pair more, and the images are tiny
    off = {stamp: found + np.eye(3)[::-1] * 0.5 for stamp, found in some.items() if found is not None}
    off = off | {stamps[1]: None}
    found = compare(off, every, (64, 80), (64, 80))
    assert (found.homographies, found.identical, found.within, found.contradicted) == (1, 0, 0, 1)
    assert found.worst_px > 1


def check_page(path: Path) -> str:
    page = path.read_text()
    assert page.count("<svg") >= 8 and page.count("data:image/webp;base64,") >= 10
    assert "nothing measured" not in page and " nan" not in page
    return page


@pytest.fixture
def rendered(day: SyntheticPair, night: SyntheticPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stills of seed 1 are those that other tests look at too: rendering takes a second each."""
    pairs = {False: day, True: night}
    monkeypatch.setattr("distillmatch_ros.demo.stills.render_pair", lambda seed, night: pairs[night])


@pytest.mark.slow
@pytest.mark.timeout(300)  # rendering takes a second a frame on a slow core
@pytest.mark.usefixtures("rendered")
def test_demo_without_ros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distillmatch_ros.demo.run.is_possible", lambda: False)
    (tmp_path / "drive.mcap").write_bytes(b"of an earlier demo")
    arguments = ["demo", "--out", str(tmp_path), "--frames", "3", "--json", str(tmp_path / "d.json")]
    arguments += ["--seed", "1", "--overwrite"]  # what an earlier demo left
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "d.json").read_text())
    assert record["live"] is None and record["bag"]["pairs"] == 3
    jsonschema.validate(record, schema("demo"))
    jsonschema.validate([record["bag"]], schema("bag"))
    for still in record["stills"]:
        assert still["status"] == "OK" and still["best_rms_px"] <= still["rms_px"] < 5
    assert "day" in result.stdout and "least possible" in result.stdout and "index.html" in result.stdout
    assert "did not run" in result.stdout and "rendered and written" in result.stderr
    page = check_page(tmp_path / "index.html")
    assert "3 of 3" in page and "the node did not run" in page
    assert len(read_bag(tmp_path / "bag.mcap").entries) == 3


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(importlib.util.find_spec("rclpy") is None, reason="needs rclpy")
@pytest.mark.usefixtures("rendered")
def test_demo_with_the_running_node(tmp_path: Path) -> None:
    demo = run_demo(Parameters(), tmp_path, seed=1, frames=4)
    assert demo.live is not None, (tmp_path / "logs/live.log").read_text()
    agreement = demo.live.agreement
    assert 1 <= agreement.first <= 4 and agreement.first == agreement.second == agreement.both
    assert agreement.identical == agreement.homographies >= 1 and agreement.contradicted == 0
    latencies = [entry.latency_ms for entry in demo.live.recording.entries]
    assert all(latency is not None and 0 < latency < 60_000 for latency in latencies)
    write_page(demo)
    page = check_page(demo.page)
    assert "equal to the last bit" in page and "the running ROS 2 node" in page
    assert ("newest pair" in page) == (agreement.first < 4)
    answer = replace(demo.live.recording.entries[0], latency_ms=987.0)
    recording = replace(demo.live.recording, entries=[answer])
    slow = replace(demo.live, recording=recording, agreement=replace(agreement, first=1), rate=0.5)
    write_page(replace(demo, live=slow))
    why = "processed 1 of the 4: one arrived every 400 ms, and processing took 987 ms (median)"
    assert why in demo.page.read_text()
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".mcap", ".html", ".png"}
