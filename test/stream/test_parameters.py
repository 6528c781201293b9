"""One table: what it allows, and that the YAML and the page are made of it."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.stream.parameter_files import read_parameters
from distillmatch_ros.stream.parameters import PAGE, TABLE, YAML, Parameters, to_page, to_yaml

AGAIN = "run python -m distillmatch_ros.stream.parameters"


def test_yaml_and_page_are_up_to_date() -> None:
    assert (ROOT / YAML).read_text() == to_yaml(), AGAIN
    assert (ROOT / PAGE).read_text() == to_page(), AGAIN


def test_yaml_holds_the_defaults() -> None:
    values = yaml.safe_load((ROOT / YAML).read_text())["/**"]["ros__parameters"]
    assert Parameters.of(values) == Parameters()
    assert values.keys() == TABLE.keys()
    assert {name: type(value) for name, value in values.items()} == {
        n: row.description.type for n, row in TABLE.items()
    }


def test_every_setting_has_one_name_and_every_path_leads_to_one() -> None:
    paths = [parameter.path for parameter in TABLE.values()]
    assert len(set(paths)) == len(paths)
    assert Parameters().flat() == {name: row.description.default for name, row in TABLE.items()}


def test_stream_gets_what_is_set() -> None:
    changes = {"min_inliers": 20, "overlay": "edges", "smoothing": 0.5, "mode": "hold"}
    settings = Parameters.of(changes).stream
    assert settings.gate == Gate(min_inliers=20)
    assert (settings.overlay, settings.smoothing, settings.mode.value) == ("edges", 0.5, "hold")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("tolerance", -0.1, "parameter tolerance is -0.1; choose 0 to 10 s"),
        ("tolerance", math.nan, "parameter tolerance is nan; choose 0 to 10 s"),
        ("tolerance", math.inf, "parameter tolerance is inf; choose"),
        ("tolerance", 1, "is 1; write a number with a point, such as 1.0"),
        ("threads", 2.0, "is 2.0; write a whole number"),
        ("threads", True, "is True; write a whole number"),
        ("undistort", 2, "is 2; write true or false"),
        ("overlay", None, "is nothing; write a text"),
        ("overlay", "shiny", "parameter overlay is 'shiny'; choose blend, false_colour"),
        ("mode", "fixed", "calibration_file"),
    ],
)
def test_bad_value_is_rejected_with_the_reason(name: str, value: Any, reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason) as rejected:
        Parameters().changed({name: value})
    assert str(rejected.value).startswith(f"parameter {name}")


@given(st.data())
def test_whatever_the_row_allows_makes_parameters_and_nothing_else(data: st.DataObject) -> None:
    ranged = [name for name, parameter in TABLE.items() if parameter.description.least is not None]
    name = data.draw(st.sampled_from(ranged))
    row = TABLE[name].description
    value = data.draw(st.integers(-20000, 20000) if row.type is int else st.floats(-1e11, 1e11))
    assert row.least is not None
    assert row.most is not None
    if row.least <= value <= row.most:
        assert Parameters.of({name: value}).flat()[name] == value
    else:
        with pytest.raises(DistillMatchError):
            Parameters.of({name: value})


def test_rows_say_what_people_need() -> None:
    for name, parameter in TABLE.items():
        row = parameter.description
        assert row.text.endswith("."), name
        assert row.type in (bool, str) or row.range, name


def test_whole_numbers_are_numbers_with_a_point_in_our_own_files_and_commands(tmp_path: Path) -> None:
    """Unlike in ROS, whose node still wants the point."""
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters: {tolerance: 1, threads: 2}\n")
    found = read_parameters(file, ["hold_seconds=10"])
    assert found.tolerance == 1.0 and found.threads == 2 and found.flat()["hold_seconds"] == 10.0
    with pytest.raises(DistillMatchError, match="whole number"):
        read_parameters(None, ["threads=2.0"])
    with pytest.raises(DistillMatchError, match="with a point"):
        read_parameters(None, ["hold_seconds=true"])
