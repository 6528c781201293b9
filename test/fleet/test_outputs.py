"""The outputs of a run as a fleet: what is not there is said, with its reason."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.cli import app
from distillmatch_ros.fleet.outputs import find_outputs
from distillmatch_ros.fleet.overview import overview
from distillmatch_ros.fleet.page import verdict
from distillmatch_ros.fleet.stored import StoredBags


def write_manifest(folder: Path, *lines: dict[str, Any]) -> Path:
    """A manifest, with an output without pairs for each line that has a state of its own."""
    told = {"size": 1, "stamp": "1", "settings": "", "model": ""}
    folder.mkdir()
    records = [{"input": f"{line['name']}.bag", **told, **line} for line in lines]
    (folder / "manifest.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    for line in lines:
        if line.get("state") in ("done", "interrupted"):
            stopped = line["state"] == "interrupted"
            record = {"bag": f"{line['name']}.bag", "problems": ["dark"], "interrupted": stopped}
            with BagWriter(folder / f"{line['name']}.mcap", ros2_types()) as writer:
                writer.note("distillmatch", json.dumps(record))
    return folder


def test_bags_that_were_not_registered_are_told_with_the_reason(tmp_path: Path) -> None:
    out = write_manifest(
        tmp_path / "out",
        {"name": "later"},
        {"name": "broken", "state": "failed", "error": "broken.bag: not a bag"},
        {"name": "empty", "state": "done"},
        {"name": "stopped", "state": "interrupted"},
    )
    found = overview(StoredBags(find_outputs(str(out))))
    assert found.unread[0] == "broken.bag: not a bag" and "--resume" in found.unread[1]
    bags = {bag.name: bag for bag in found.bags}
    assert set(bags) == {"empty", "stopped"} and all(bag.needs_look for bag in found.bags)
    assert bags["empty"].problems == ["dark"] and "--resume" in bags["stopped"].problems[0]
    assert "2 bags could not be read" in verdict(found).headline
    page = tmp_path / "fleet.html"
    result = CliRunner().invoke(app, ["fleet", str(out), "--report", str(page)])
    assert result.exit_code == 1 and "2 could not be read" in result.stdout
    assert "broken.bag: not a bag" in page.read_text() and "broken.bag: not a bag" in result.stderr


def test_a_fleet_of_which_nothing_can_be_read_is_not_good(tmp_path: Path) -> None:
    out = write_manifest(tmp_path / "out", {"name": "later"})
    judged = verdict(overview(StoredBags(find_outputs(str(out)))))
    assert judged.level.value == "poor" and judged.headline.startswith("1 bag could not be read")


def test_fields_of_the_manifest_group_drives(tmp_path: Path) -> None:
    out = write_manifest(tmp_path / "out", {"name": "a", "state": "done", "robot": 7})
    line = find_outputs(str(out))["a"]().line()
    assert line["robot"] == 7 and line["state"] == "done"
