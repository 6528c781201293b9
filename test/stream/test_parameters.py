"""One table: what it allows, and that the YAML and the page are made of it."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.registration.registrar import Gate
from distillmatch_ros.stream.parameters import PAGE, ROWS, YAML, Parameters, to_page, to_yaml
from distillmatch_ros.stream.stream import StreamSettings

AGAIN = "run python -m distillmatch_ros.stream.parameters"


def test_yaml_and_page_are_up_to_date() -> None:
    assert (ROOT / YAML).read_text() == to_yaml(), AGAIN
    assert (ROOT / PAGE).read_text() == to_page(), AGAIN


def test_yaml_holds_the_defaults() -> None:
    values = yaml.safe_load((ROOT / YAML).read_text())["/**"]["ros__parameters"]
    assert Parameters(**values) == Parameters()
    assert values.keys() == ROWS.keys()
    assert {name: type(value) for name, value in values.items()} == {n: row.type for n, row in ROWS.items()}


def test_defaults_are_those_of_the_stream() -> None:
    assert Parameters().stream_settings() == StreamSettings()


def test_stream_gets_what_is_set() -> None:
    settings = Parameters(min_inliers=20, overlay="edges", smoothing=0.5, mode="hold").stream_settings()
    assert settings.gate == Gate(min_inliers=20)
    assert (settings.overlay, settings.smoothing, settings.mode.value) == ("edges", 0.5, "hold")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("tolerance", -0.1, "out of range; choose 0 to 10 s"),
        ("tolerance", math.nan, "out of range"),
        ("tolerance", math.inf, "out of range"),
        ("tolerance", 1, "int, not float; write 1.0"),
        ("threads", 2.0, "float, not int"),
        ("threads", True, "bool, not int"),
        ("overlay", "shiny", "choose blend, false_colour"),
        ("mode", "fixed", "calibration_file"),
    ],
)
def test_bad_value_is_rejected_with_the_reason(name: str, value: Any, reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason) as rejected:
        Parameters().changed({name: value})
    assert f"parameter {name}: " in str(rejected.value)


@given(st.data())
def test_whatever_the_row_allows_makes_parameters_and_nothing_else(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name, row in ROWS.items() if row.least is not None]))
    row = ROWS[name]
    value = data.draw(st.integers(-20000, 20000) if row.type is int else st.floats(-1e11, 1e11))
    assert row.least is not None
    assert row.greatest is not None
    if row.least <= value <= row.greatest:
        assert getattr(Parameters(**{name: value}), name) == value
        assert Parameters(**{name: value}).stream_settings()
    else:
        with pytest.raises(DistillMatchError):
            Parameters(**{name: value})


def test_rows_say_what_people_need() -> None:
    for name, row in ROWS.items():
        assert row.description.endswith("."), name
        assert row.type in (bool, str) or row.range, name
