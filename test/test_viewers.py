"""What ships for RViz and Foxglove shows topics that the node has, by types that its displays take."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from support import ROOT

from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.stream.messages import CLOUD_FIELDS
from distillmatch_ros.stream.outputs import NODE, TOPICS
from distillmatch_ros.stream.pair_status import PairStatus

KINDS = {f"{NODE}/{name}": kind.rpartition("/")[2] for name, (kind, _) in TOPICS.items()} | {
    "/diagnostics": "DiagnosticArray"
}
RVIZ = {"rviz_default_plugins/Image": {"Image"}, "rviz_default_plugins/PointCloud2": {"PointCloud2"}}
FOXGLOVE = {
    "3D": {"PointCloud2"},
    "Image": {"Image", "CompressedImage"},
    "StateTransitions": {"DiagnosticArray"},
    "Plot": {"DiagnosticArray"},
    "RawMessages": set(KINDS.values()),
    "DiagnosticSummary": {"DiagnosticArray"},
}
STATUS_VALUES = set(
    PairStatus("OK", 1, 0.5, (2, 2), (2, 2), 9, 8, 0.9, Rejection("min_inliers", 1.0, 2.0)).values()
)


def layout() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "config/fusion.foxglove.json").read_text())
    return found


def topics(config: Any) -> Iterator[str]:
    """Topics that a panel's configuration names; a path into a message begins with its topic."""
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if key == "topics":
            yield from value
        elif isinstance(value, dict | list):
            yield from topics(value)
        elif key in ("imageTopic", "topicPath", "topicToRender", "value"):
            yield re.split(r"[.\[]", value)[0]


def placed(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        assert node["direction"] in ("row", "column") and 0 < node["splitPercentage"] < 100
        yield from placed(node["first"])
        yield from placed(node["second"])


def test_foxglove_shows_the_nodes_topics() -> None:
    panels = layout()["configById"]
    for name, config in panels.items():
        shown = list(topics(config))
        assert shown, name
        assert {KINDS[topic] for topic in shown} <= FOXGLOVE[name.partition("!")[0]], name
    image = panels["Image!thermal"]["imageMode"]
    assert KINDS[image["calibrationTopic"]] == "CameraInfo"
    assert {topic for config in panels.values() for topic in topics(config)} >= {
        f"{NODE}/{name}" for name in ("overlay", "thermal_registered/image", "homography", "status", "points")
    }
    assert panels["3D!points"]["topics"][f"{NODE}/points"]["colorField"] in CLOUD_FIELDS


def test_foxglove_plots_values_that_a_status_has() -> None:
    text = json.dumps(layout())
    plotted = set(re.findall(r'key==\\\\?\\?"(\w+)', text))
    assert plotted and plotted <= STATUS_VALUES


def test_every_panel_of_foxglove_has_its_place() -> None:
    names = list(placed(layout()["layout"]))
    assert sorted(names) == sorted(layout()["configById"])


def test_rviz_shows_the_nodes_topics() -> None:
    manager = yaml.safe_load((ROOT / "config/fusion.rviz").read_text())["Visualization Manager"]
    shown = {display["Topic"]["Value"]: display["Class"] for display in manager["Displays"]}
    assert shown.keys() >= {f"{NODE}/{name}" for name in ("overlay", "thermal_registered/image", "points")}
    for topic, kind in shown.items():
        assert KINDS[topic] in RVIZ[kind]
    (cloud,) = (each for each in manager["Displays"] if each["Class"].endswith("PointCloud2"))
    assert cloud["Channel Name"] in CLOUD_FIELDS
    policies = {display["Topic"]["Reliability Policy"] for display in manager["Displays"]}
    assert policies <= {"Best Effort", "Reliable"}
