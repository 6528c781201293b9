"""Plain values to dataclasses: what fits is taken as it is, and what does not is named where it stands."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pydantic")
from pydantic import NonNegativeInt, PositiveFloat

from distillmatch_ros.base.configuration import (
    Fraction,
    InputSide,
    LocalPath,
    Pretrained,
    Seed,
    build,
    file_of,
    load,
)
from distillmatch_ros.base.errors import DistillMatchError


@dataclass(frozen=True)
class Lens:
    """A part."""

    focal: tuple[PositiveFloat, PositiveFloat]
    blades: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.focal[0] > self.focal[1]:
            raise ValueError("focal must rise")


@dataclass(frozen=True)
class Camera:
    """All kinds of fields."""

    name: str
    height: InputSide
    gain: Fraction
    seed: Seed
    lens: Lens
    spare: list[Lens]
    shots: LocalPath
    masks: LocalPath | None
    weights: Pretrained
    other: Annotated[Lens, file_of(Lens, "lens.yaml")] | None = None


FITTING: dict[str, Any] = {
    "name": "left",
    "height": 64,
    "gain": 1,
    "seed": 0,
    "lens": {"focal": [1, 2.5]},
    "spare": [{"focal": [3.0, 4.0], "blades": 7}],
    "shots": "shots",
    "masks": None,
    "weights": "some/model",
}


def camera(changes: dict[Any, Any] | None = None) -> Camera:
    return build(Camera, FITTING | (changes or {}), "camera.yaml", "see lens.yaml", Path("/data"))


def test_values_come_as_their_fields_declare_them() -> None:
    found = camera()
    assert found == Camera(
        "left",
        64,
        1.0,
        0,
        Lens((1.0, 2.5)),
        [Lens((3.0, 4.0), 7)],
        Path("/data/shots"),
        None,
        "some/model",
    )
    assert type(found.gain) is type(found.lens.focal[0]) is float
    assert asdict(replace(found, height=32))["lens"] == {"focal": (1.0, 2.5), "blades": 0}


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "cameras/model").mkdir(parents=True)
    (tmp_path / "lens.yaml").write_text("focal: [1, 2]\nblades: 5\n")
    values = {**FITTING, "shots": "../shots", "masks": "/masks", "weights": "model", "other": "../lens.yaml"}
    path = tmp_path / "cameras/left.yaml"
    path.write_text(yaml.safe_dump(values))
    found = load(Camera, path, "lens.yaml")
    assert (found.shots, found.masks) == (tmp_path / "shots", Path("/masks"))
    assert found.weights == str(tmp_path / "cameras/model")
    assert found.other == Lens((1.0, 2.0), 5)
    path.write_text(yaml.safe_dump({**values, "weights": "not/there.pt", "shots": "2026-01-31"}))
    found = load(Camera, path, "lens.yaml")
    assert found.weights == str(tmp_path / "cameras/not/there.pt")
    assert found.shots == tmp_path / "cameras/2026-01-31"  # which YAML takes for a date
    path.write_text(yaml.safe_dump({**values, "weights": "long" * 100}))
    with pytest.raises(DistillMatchError, match="name too long"):
        load(Camera, path, "lens.yaml")
    path.write_text(yaml.safe_dump(values))
    (tmp_path / "lens.yaml").write_text("focal: [2, 1]\n")
    with pytest.raises(DistillMatchError, match=r"lens\.yaml: focal must rise; see lens\.yaml$"):
        load(Camera, path, "lens.yaml")
    (tmp_path / "lens.yaml").unlink()
    with pytest.raises(DistillMatchError, match=r"lens\.yaml: cannot be read"):
        load(Camera, path, "lens.yaml")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"height": True}, "height is True, not a valid integer"),
        ({"height": 64.0}, "height is 64.0, not a valid integer"),
        ({"height": "64"}, "height is '64', not a valid integer"),
        ({"height": 65}, "height is 65, not a multiple of 32"),
        ({"height": 0}, "height is 0, not greater than 0"),
        ({"gain": True}, "gain is True, not a valid number"),
        ({"gain": "1"}, "gain is '1', not a valid number"),
        ({"gain": 1.5}, "gain is 1.5, not less than or equal to 1"),
        ({"gain": float("nan")}, "gain is nan, not a finite number"),
        ({"gain": 10**400}, "gain is .*, not a finite number"),
        ({"seed": 2**63}, "seed is 9223372036854775808, not less than 9223372036854775808"),
        ({"name": 5}, "name is 5, not a valid string"),
        ({"lens": None}, "lens is None, not an object"),
        ({"lens": {"focal": [1]}}, r"missing lens\.focal\[1\]"),
        ({"lens": {"focal": [1, 2, 3]}}, r"lens\.focal: Tuple should have at most 2 items"),
        ({"lens": {"focal": [1, -2]}}, r"lens\.focal\[1\] is -2, not greater than 0"),
        ({"lens": {"focal": [2, 1]}}, "lens: focal must rise"),
        ({"spare": {"focal": [1, 2]}}, "spare is .*, not a valid array"),
        ({"spare": [{"focal": [1, 2], "blade": 5}]}, r"unknown spare\[0\]\.blade"),
        ({"shots": 5}, "shots is 5, not a valid string"),
        ({"other": 5}, "other: 5 is not a path"),
        ({"shots": "a\0b"}, "shots: .*null"),
        ({"name": "\ud800"}, "Invalid JSON"),
        ({"colour": 1, "lens": {}, "gain": -1}, r"missing lens\.focal; unknown colour; gain is -1, not g"),
        ({"gain": [1] * 1000}, r"gain is \[1, 1.{1,60}, not a valid number"),
        ({("a", "b"): 1}, "keys must be str"),
    ],
)
def test_a_misfit_is_named_in_one_line(change: dict[Any, Any], reason: str) -> None:
    with pytest.raises(DistillMatchError, match=f"^camera\\.yaml: .*{reason}.*; see lens\\.yaml$") as error:
        camera(change)
    assert "\n" not in str(error.value)


def test_every_missing_name_is_told() -> None:
    with pytest.raises(DistillMatchError) as error:
        build(Camera, {}, "camera.yaml", "see lens.yaml")
    assert str(error.value) == f"camera.yaml: missing {', '.join(FITTING)}; see lens.yaml"


@pytest.mark.parametrize("values", [None, 5, "text", [1, 2]])
def test_what_has_no_names_is_rejected(values: Any) -> None:
    with pytest.raises(DistillMatchError, match=r"^camera\.yaml: is not a mapping of names to values; see"):
        build(Camera, values, "camera.yaml", "see lens.yaml")


def test_values_that_hold_themselves_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text("&camera\nlens: *camera\n")
    with pytest.raises(DistillMatchError, match=r"camera\.yaml: Circular reference"):
        load(Camera, path, "lens.yaml")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.dates(), inner),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(FITTING)), anything))
def test_any_values_fit_or_are_rejected(changes: dict[str, Any]) -> None:
    try:
        found = camera(changes)
    except DistillMatchError:
        return
    assert isinstance(found.lens, Lens)
    assert 0 <= found.gain <= 1
