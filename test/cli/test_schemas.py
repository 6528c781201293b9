"""The JSON Schemas describe what commands really write."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support import ROOT
from typer.main import get_command
from typer.testing import CliRunner

from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.cli import app
from distillmatch_ros.cli.engines import BuiltEngine
from distillmatch_ros.cli.schemas import SCHEMAS, schema


def check(name: str, record: Any) -> None:
    jsonschema.validate(record, schema(name), jsonschema.Draft202012Validator)


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "visible/b.png").write_bytes(b"not an image")
    return folder


def test_every_command_that_writes_json_has_a_schema() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    writing = {
        name
        for name, command in commands.items()
        if any("--json" in getattr(parameter, "opts", ()) for parameter in command.params)
    }
    assert writing == SCHEMAS.keys() - {"parameters"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


def test_every_schema_is_on_the_page() -> None:
    page = (ROOT / "docs/reference/json.md").read_text()
    assert [name for name in SCHEMAS if f"`schemas/{name}.json`" not in page] == []


def test_nothing_else_fits() -> None:
    for name in SCHEMAS:
        with pytest.raises(jsonschema.ValidationError):
            check(name, {} if name != "bag" else [{}])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("match", "--pairs . --points"),
        ("evaluate", ". --preset rig --warps 1"),
        ("benchmark", "--runs 1 --threads 1"),
    ],
)
def test_what_a_command_writes_fits(
    name: str, arguments: str, write_network, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    model = str(write_network())
    result = CliRunner().invoke(app, [name, *arguments.split(), "--json", "-", "--model", model])
    assert result.exit_code in (0, 1), result.output
    if name != "match":
        check(name, json.loads(result.stdout))
        return
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] for record in records] == ["OK", "ERROR"]
    for record in records:
        check(name, record)


def test_what_is_written_elsewhere_fits() -> None:
    check("build-engine", vars(BuiltEngine(1, 2, 3, "a", "fp16", "0", "GPU", plan="a.plan", seconds=None)))
    with pytest.raises(jsonschema.ValidationError):
        check("benchmark", {"stages": {"total": vars(Percentiles(1.0, 2.0))}})


def test_the_shipped_parameter_file_fits() -> None:
    shipped = yaml.safe_load((ROOT / "config/fusion.yaml").read_text())
    check("parameters", shipped)
    shipped["/**"]["ros__parameters"]["tolerence"] = 0.1
    with pytest.raises(jsonschema.ValidationError, match="tolerence"):
        check("parameters", shipped)
