"""Tables of pairs: what they hold, who reads them, and what a fleet's overview makes of them."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from support import ROOT
from support.bags import START, Drive, write_bag
from support.fleet import TOPICS, write_drives
from support.tables import write_pairs
from typer.testing import CliRunner, Result

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.fleet import table
from distillmatch_ros.fleet.overview import overview
from distillmatch_ros.fleet.stored import StoredBags
from distillmatch_ros.fleet.table import HOMOGRAPHY, SCHEMA
from distillmatch_ros.fleet.table_reading import find_table
from distillmatch_ros.reports.from_bag import read_bag


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def registered(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two bags, the first with a thermal image that holds nothing; its outputs are in out/."""
    monkeypatch.chdir(tmp_path)
    messages = list(Drive(pairs=6, info=False).messages())
    messages[5].message.data = np.zeros_like(messages[5].message.data)
    shutil.copy(next(write_bag(tmp_path, "mcap", messages).glob("*.mcap")), "a b.mcap")
    shutil.rmtree("mcap")
    write_drives(tmp_path, "c")
    arguments = ("bag", "a b.mcap", "c.mcap", "out", *TOPICS, "--model", model, "--table", "table")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return tmp_path / "table"


def test_a_row_tells_what_the_bag_tells_of_its_pair(registered: Path) -> None:
    recordings = [read().recording for read in find_table(str(registered)).values()]
    assert [recording.title for recording in recordings] == ["a b", "c"]
    for recording in recordings:
        written = read_bag(registered.parent / "out" / f"{recording.title}.mcap")
        assert recording.frames == written.frames and recording.problems == written.problems
        for row, entry in zip(recording.entries, written.entries, strict=True):
            for name in ("number", "seconds", "stamp", "status", "skew_ms", "visible_size", "thermal_size"):
                assert getattr(row, name) == getattr(entry, name), name
            assert row.latency_ms == pytest.approx(entry.latency_ms, abs=1e-3)
            assert row.probability == entry.probability
            if entry.homography is None:
                assert row.homography is None
            else:
                np.testing.assert_array_equal(row.homography, entry.homography)
    statuses = [entry.status for entry in recordings[0].entries]
    assert statuses[0] == "OK" and "FEW_MATCHES" in statuses and "TRACKED" in statuses


def test_the_outputs_tell_what_the_table_tells(registered: Path) -> None:
    outputs, failed = run("fleet", registered.parent / "out", "--json", "-"), registered.parent / "out/c.mcap"
    assert outputs.exit_code == 0, outputs.output
    assert json.loads(outputs.stdout) == json.loads(run("fleet", registered, "--json", "-").stdout)
    failed.write_bytes(b"no bag")
    outputs = run("fleet", registered.parent / "out")
    assert outputs.exit_code == 1 and "c.mcap" in outputs.stderr and "1 bag, 6 pairs" in outputs.stdout
    result = run("report", registered.parent)
    assert result.exit_code == 2 and "not registered" in result.stderr


@pytest.mark.slow
def test_pages_of_bags_have_the_pictures_of_their_outputs(registered: Path) -> None:
    page = registered.parent / "fleet.html"
    assert run("fleet", registered, "--report", page).exit_code == 0
    text = (registered.parent / "fleet_reports/a b.html").read_text()
    assert text.count("data:image/webp") > 3 and "out/a b.mcap" in text
    shutil.rmtree(registered.parent / "out")  # the table is enough for a page without pictures
    assert run("fleet", registered, "--report", page, "--overwrite").exit_code == 0
    text = (registered.parent / "fleet_reports/a b.html").read_text()
    assert "data:image/webp" not in text and "FEW_MATCHES" in text


def test_fields_that_others_add_to_the_manifest_are_kept_and_group_drives(registered: Path) -> None:
    manifest = registered.parent / "out/manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps({**line, "robot": "seven"}) + "\n" for line in lines))
    shutil.rmtree(registered / "bag=c")
    model = next(registered.parent.glob("*.onnx"))
    arguments = (
        "bag",
        "a b.mcap",
        "c.mcap",
        "out",
        *TOPICS,
        "--model",
        model,
        "--table",
        "table",
        "--resume",
    )
    assert run(*arguments).exit_code == 0
    assert all(json.loads(line)["robot"] == "seven" for line in manifest.read_text().splitlines())
    result = run("fleet", registered, "--group-by", "robot", "--json", "-")
    assert {bag["rig"] for bag in json.loads(result.stdout)} == {"seven"}
    for moved in ("out", "table"):
        (registered.parent / "elsewhere").mkdir(exist_ok=True)
        shutil.move(registered.parent / moved, registered.parent / "elsewhere" / moved)
        result = run("fleet", registered.parent / "elsewhere" / moved, "--group-by", "robot", "--json", "-")
        assert {bag["rig"] for bag in json.loads(result.stdout)} == {"seven"}, result.stderr
    registered = registered.parent / "elsewhere/table"
    result = run("fleet", registered, "--group-by", "rgb", "--json", "-")
    assert {bag["rig"] for bag in json.loads(result.stdout)} == {"/rgb/image"}


def test_pandas_and_duckdb_read_it_with_the_name_of_the_bag(registered: Path) -> None:
    frame = pd.read_parquet(registered)
    assert list(frame["bag"].unique()) == ["a b", "c"] and len(frame) == 9
    assert frame["visible_stamp"].iloc[0] == pd.Timestamp(START, unit="ns", tz="UTC")
    tracked = frame[frame["status"] == "TRACKED"]
    assert tracked["matches"].isna().all() and tracked[list(HOMOGRAPHY)].notna().all(axis=None)
    assert (frame[frame["status"] == "OK"]["inliers"] > 50).all()
    counted = duckdb.sql(
        f"SELECT bag, count(*) FROM read_parquet('{registered}/*/*.parquet', hive_partitioning = true) "
        "GROUP BY bag ORDER BY bag"
    ).fetchall()
    assert [(name.replace("%20", " "), count) for name, count in counted] == [("a b", 6), ("c", 3)]


def test_the_schema_is_the_documented_one(registered: Path) -> None:
    (file, *_) = registered.glob("bag=c/*")
    assert parquet.read_schema(file).remove_metadata() == SCHEMA
    told = json.loads(parquet.read_metadata(file).metadata[table.KEY])
    assert told["bag"] == "c.mcap" and told["pairs"] == 3 and told["model"]["config"] == "tiny"


def test_every_column_is_documented() -> None:
    page = (ROOT / "docs/reference/table.md").read_text()
    rows = re.findall(r"^\| `(\w+)`(?: to `(\w+)`)? \| (\S+)", page, re.MULTILINE)
    told = {name: kind for first, last, kind in rows for name in {first, last} - {""}}
    columns = {field.name: str(field.type) for field in SCHEMA if field.name not in HOMOGRAPHY[1:-1]}
    assert told == {"bag": "string", **{name: kind.partition("[")[0] for name, kind in columns.items()}}


def test_rows_go_out_in_groups(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parquet.read_table(registered / "bag=c/pairs.parquet")
    monkeypatch.setattr(table, "ROWS", 2)
    model = next(registered.parent.glob("*.onnx"))
    result = run("bag", "c.mcap", "again", *TOPICS, "--model", model, "--table", "table", "--overwrite")
    assert result.exit_code == 0, result.output
    file = parquet.ParquetFile(registered / "bag=c/pairs.parquet")
    assert file.num_row_groups == 2
    assert file.read().drop(["latency_ms"]).equals(whole.drop(["latency_ms"]))


def test_resume_fills_in_what_the_table_lacks(registered: Path) -> None:
    shutil.rmtree(registered / "bag=c")
    model = next(registered.parent.glob("*.onnx"))
    result = run(
        *("bag", "a b.mcap", "c.mcap", "out", *TOPICS, "--model", model, "--table", "table"),
        *("--resume", "--json", "-"),
    )
    assert [record["bag"] for record in json.loads(result.stdout)] == ["c.mcap"]
    assert (registered / "bag=c/pairs.parquet").exists()


def test_the_overview_names_the_bags_that_need_a_look(tmp_path: Path) -> None:
    for name, shift in (("mon%2Fa", 1.0), ("tue", 2.0), ("wed", 3.0), ("moved", 30.0)):
        write_pairs(tmp_path, name, shift)
    write_pairs(tmp_path, "other", 60.0, size=1280)
    write_pairs(tmp_path, "dark", 0.0, status="FEW_MATCHES")
    bags = {bag.name: bag for bag in overview(StoredBags(find_table(str(tmp_path)))).bags}
    assert set(list(bags)[:2]) == {"dark", "moved"}
    assert {name for name, bag in bags.items() if bag.needs_look} == {"dark", "moved"}
    shifts = {name: bag.shift.px for name, bag in bags.items() if bag.shift is not None}
    assert shifts == pytest.approx({"moved": 0, "mon/a": 0, "tue": 1, "wed": 2, "other": 0})
    assert bags["moved"].rig != bags["tue"].rig == bags["wed"].rig and "27.0 px" in bags["moved"].reasons[0]
    assert bags["dark"].rejected == 10 and bags["tue"].rejected == 0
    assert "thermal contrast" in bags["dark"].record()["topics"]
    result = run("fleet", tmp_path)
    assert result.exit_code == 0 and "6 bags, 60 pairs, 10 rejected; 2 need inspection" in result.stdout
    result = run("fleet", tmp_path, "--json", "-")
    assert [record["bag"] for record in json.loads(result.stdout)] == list(bags)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("status", pa.array([7] * 10), "status is int64, not string"),
        ("status", pa.array(["WHAT"] * 10), "status 'WHAT' is unknown"),
        ("visible_stamp", pa.nulls(10, pa.timestamp("ns", "UTC")), "visible_stamp is missing in 10 rows"),
        ("h00", pa.array([float("inf")] * 10), "h00 is not finite"),
        ("visible_width", pa.array([0] * 10, pa.int32()), "visible_width is below 1"),
    ],
)
def test_a_damaged_bag_is_named_and_the_others_are_shown(
    tmp_path: Path, column: str, values: pa.Array, reason: str
) -> None:
    for name in ("bad", "good"):
        write_pairs(tmp_path / "table", name, 1.0)
    file = tmp_path / "table/bag=bad/pairs.parquet"
    pairs = parquet.ParquetFile(file).read()
    parquet.write_table(pairs.set_column(pairs.schema.get_field_index(column), column, values), file)
    with pytest.raises(DistillMatchError, match=re.escape(reason)):
        find_table(str(tmp_path / "table"))["bad"]()
    for command in (("fleet",), ("report", "-o", tmp_path / "fleet.html")):
        result = run(*command, tmp_path / "table")
        assert result.exit_code == 1 and "1 bag, 10 pairs" in result.stdout
        assert f"not the pairs of a bag ({reason})" in result.stderr


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match="holds no bag=NAME"):
        find_table(str(tmp_path))
    (tmp_path / "bag=x").mkdir()
    (tmp_path / "bag=x/pairs.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DistillMatchError, match=r"bag=x.pairs.parquet: not the pairs of a bag"):
        find_table(str(tmp_path))["x"]()
    parquet.write_table(pa.table({"status": ["OK"]}), tmp_path / "bag=x/pairs.parquet")
    with pytest.raises(DistillMatchError, match="not the pairs of a bag"):
        find_table(str(tmp_path))["x"]()
