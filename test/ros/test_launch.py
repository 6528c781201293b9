"""Launch files, RViz configuration and transport profile name what exists."""

import ast
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml
from support import ROOT

from distillmatch_ros.stream.parameters import TABLE
from distillmatch_ros.stream.sensors import MATCHED

LAUNCH = sorted((ROOT / "launch").glob("*.launch.py"))
INPUTS = {f"{sensor.namespace}/{kind}" for sensor in MATCHED for kind in ("image", "camera_info")}


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def strings(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def arguments_of(tree: ast.Module) -> set[str]:
    """Names in the table ARGUMENTS."""
    tables = [
        each.value
        for each in tree.body
        if isinstance(each, ast.Assign)
        and isinstance(each.targets[0], ast.Name)
        and each.targets[0].id == "ARGUMENTS"
    ]
    (table,) = tables
    assert isinstance(table, ast.Dict)
    return {key.value for key in table.keys if isinstance(key, ast.Constant)}


def keyword(tree: ast.Module, name: str) -> list[ast.expr]:
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    return [given.value for call in calls for given in call.keywords if given.arg == name]


@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_arguments_and_parameters_exist(file: Path) -> None:
    tree = parse(file)
    arguments = arguments_of(tree)
    used = {
        each.slice.value
        for each in ast.walk(tree)
        if isinstance(each, ast.Subscript) and isinstance(each.value, ast.Name) and each.value.id == "value"
        if isinstance(each.slice, ast.Constant)
    }
    assert used <= arguments
    named = set().union(*map(strings, keyword(tree, "parameters")))
    assert named <= {*TABLE, "use_sim_time", "params_file"}
    for text in strings(tree):
        if text.endswith((".yaml", ".xml", ".rviz")) and " " not in text:
            assert (ROOT / "config" / text).is_file()
        if text.endswith(".launch.py") and " " not in text:
            assert (ROOT / "launch" / text).is_file()


def test_node_is_started_as_it_is_installed() -> None:
    tree = parse(ROOT / "launch/fusion.launch.py")
    assert set().union(*map(strings, keyword(tree, "executable"))) == {"fusion_node"}
    assert '"fusion_node = distillmatch_ros.ros.fusion_node:main"' in (ROOT / "setup.py").read_text()
    (remappings,) = keyword(tree, "remappings")
    assert strings(remappings) >= INPUTS


def test_replay_passes_on_what_the_node_takes() -> None:
    replay = parse(ROOT / "launch/replay.launch.py")
    (given,) = keyword(replay, "launch_arguments")
    passed = {"params_file", "rgb", "thermal"} | (strings(given) - {"true"})
    assert passed <= arguments_of(parse(ROOT / "launch/fusion.launch.py"))


@pytest.mark.skipif(find_spec("launch_ros") is None, reason="launch_ros comes with a ROS installation")
@pytest.mark.parametrize("file", LAUNCH, ids=lambda file: file.name)
def test_launch_file_describes_a_launch(file: Path) -> None:
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(module.generate_launch_description().entities) > len(module.ARGUMENTS)


def test_rviz_shows_topics_of_the_node() -> None:
    content = yaml.safe_load((ROOT / "config/fusion.rviz").read_text())
    topics = [display["Topic"]["Value"] for display in content["Visualization Manager"]["Displays"]]
    assert topics == [f"/distillmatch/{name}" for name in ("overlay", "thermal_registered/image", "points")]


def test_profile_has_room_for_a_dozen_colour_images() -> None:
    spaces = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    profile = ElementTree.parse(ROOT / "config/fastdds.xml").getroot()
    sizes = profile.findall(".//dds:segment_size", spaces)
    assert [int(size.text or 0) for size in sizes] == [16 << 20]
    default = profile.find(".//dds:participant", spaces)
    assert default is not None
    assert default.get("is_default_profile") == "true"
    assert default.findtext(".//dds:useBuiltinTransports", namespaces=spaces) == "false"
