"""Several rigs on one robot: two nodes side by side are told apart in topics and diagnostics."""

from pathlib import Path

import pytest
from support.bench import Bench
from support.ros_fixtures import StartNode
from support.ros_process import closing_all, domain, start_node

RIGS = ("front", "rear")


@pytest.mark.slow
def test_two_nodes_in_namespaces(transport: None, network: Path, tmp_path: Path) -> None:
    with closing_all() as things:
        own = domain()
        for rig in RIGS:
            (tmp_path / rig).mkdir()
            arguments = ("-r", f"__ns:=/{rig}", "-p", f"model:={network}")
            things.append(start_node(own, tmp_path / rig, *arguments))
        bench = Bench(own)
        things.append(bench)
        expected = {f"{rig}/distillmatch: fusion" for rig in RIGS}
        bench.until(
            lambda: expected <= {status.name for status in bench.diagnostics if ": " in status.hardware_id}
        )
        hardware = {status.name: status.hardware_id for status in bench.diagnostics}
        assert len(set(hardware.values())) == len(RIGS)
        for rig in RIGS:
            assert hardware[f"{rig}/distillmatch: fusion"].startswith(f"{rig}: ")
            assert bench.node.count_subscribers(f"/{rig}/rgb/image") == 1
            assert bench.node.count_publishers(f"/{rig}/distillmatch/homography") == 1


@pytest.mark.slow
def test_a_single_rig_keeps_its_name(active: Bench) -> None:
    status = active.diagnosed("")
    assert status.name == "distillmatch: fusion" and ": " not in status.hardware_id


@pytest.mark.slow
def test_a_rig_file_that_is_still_to_be_written_is_told_at_start(start: StartNode, tmp_path: Path) -> None:
    node, bench = start("-p", f"rig_file:={tmp_path / 'rgi.yaml'}")
    bench.diagnosed("")
    assert f"rig_file {tmp_path / 'rgi.yaml'} does not exist" in node.said


@pytest.mark.slow
@pytest.mark.parametrize(
    "transport_of", [(), ("-p", "rgb_transport:=compressed", "-p", "thermal_transport:=compressed")]
)
def test_one_topic_for_both_cameras_is_rejected(start: StartNode, transport_of: tuple[str, ...]) -> None:
    """An image agrees with itself: all pairs were answered."""
    node, bench = start("-r", "thermal/image:=/rgb/image", *transport_of)
    message = bench.diagnosed("inactive: ").message
    assert "is both rgb/image and thermal/image" in message
    assert bench.state == "inactive" and "Traceback" not in node.said


@pytest.mark.slow
def test_exchanged_topics_are_subscribed_to_as_they_are_remapped(start: StartNode) -> None:
    """Names were remapped twice, which undid the exchange."""
    _, bench = start("-r", "rgb/image:=/thermal/image", "-r", "thermal/image:=/rgb/image")
    assert "/thermal/image is called as a thermal camera's" in bench.driven("exchanged").message
