"""Parameters of the running node, set and described as any tool does it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters, GetParameters
from std_srvs.srv import Trigger
from support.bench import Bench

from distillmatch_ros.stream.calibration import Calibration
from distillmatch_ros.stream.parameters import TABLE, Parameters


def value_of(bench: Bench, name: str) -> object:
    (value,) = bench.call(GetParameters, "get_parameters", GetParameters.Request(names=[name])).values
    by_type = {1: value.bool_value, 2: value.integer_value, 3: value.double_value, 4: value.string_value}
    return by_type[value.type]


def test_tools_see_the_table(active: Bench) -> None:
    request = DescribeParameters.Request(names=list(TABLE))
    descriptors = active.call(DescribeParameters, "describe_parameters", request).descriptors
    for descriptor, (name, parameter) in zip(descriptors, TABLE.items(), strict=True):
        row = parameter.description
        assert (descriptor.name, descriptor.description) == (name, row.text)
        assert descriptor.read_only is not parameter.live
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        if row.least is None:
            assert not ranges
        else:
            assert [(bound.from_value, bound.to_value) for bound in ranges] == [(row.least, row.most)]
        assert row.range in descriptor.additional_constraints


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("tolerance", -1.0, "out of range"),
        ("tolerance", "soon", "Wrong parameter type"),
        ("overlay", "shiny", "choose blend"),
        ("mode", "fixed", "needs a calibration"),
        ("model", "other.onnx", "read-only"),
    ],
)
def test_bad_value_is_rejected_and_changes_nothing(
    active: Bench, name: str, value: object, reason: str
) -> None:
    before = value_of(active, name)
    (result,) = active.set(**{name: value})
    assert not result.successful
    assert reason in result.reason
    assert value_of(active, name) == before


def test_several_are_set_together_or_not_at_all(active: Bench) -> None:
    (result,) = active.set(together=True, overlay="edges", jpeg_quality=0)
    assert not result.successful
    assert value_of(active, "overlay") == Parameters().stream.overlay
    (result,) = active.set(together=True, overlay="edges", jpeg_quality=50)
    assert result.successful
    assert (value_of(active, "overlay"), value_of(active, "jpeg_quality")) == ("edges", 50)
    active.set(overlay=Parameters().stream.overlay)


def latest_overlay(bench: Bench) -> np.ndarray:
    bench.spin(0.5)
    del bench.outputs["overlay"][:]
    bench.drive(0.6, rate=5)
    bench.until(lambda: bench.outputs["overlay"])
    return np.frombuffer(bench.outputs["overlay"][-1].data, np.uint8)


@pytest.mark.slow
def test_overlay_changes_while_the_node_runs(active: Bench) -> None:
    active.listen("overlay")
    blend = latest_overlay(active)
    active.set(overlay="false_colour")
    false_colour = latest_overlay(active)
    active.set(overlay="blend")
    assert np.abs(false_colour.astype(int) - blend).mean() > 10


@pytest.mark.slow
def test_thresholds_change_while_the_node_runs(active: Bench) -> None:
    active.set(min_inliers=1000)
    active.drive(2.5, rate=5)
    assert "FEW_INLIERS" in active.diagnosed("no homography").message
    active.set(min_inliers=Parameters().stream.gate.min_inliers)
    active.diagnostics.clear()
    active.drive(2.5, rate=5)
    active.diagnosed("pairs/s")


@pytest.mark.slow
def test_calibration_is_saved_and_used(active: Bench, tmp_path: Path) -> None:
    file = tmp_path / "rig.yaml"
    reply = active.call(Trigger, "save_calibration")
    assert not reply.success
    assert "calibration_file is empty" in reply.message
    active.set(calibration_file=str(file))
    assert active.call(Trigger, "reset").success
    reply = active.call(Trigger, "save_calibration")
    assert not reply.success
    assert "no pair was received yet" in reply.message
    assert not active.set(mode="fixed")[0].successful, "there is no such file"

    for _ in range(10):
        active.drive(2.0, rate=5)
        reply = active.call(Trigger, "save_calibration")
        if reply.success:
            break
    assert reply.success, reply.message
    np.testing.assert_allclose(Calibration.load(file).homography, np.eye(3), atol=0.2)
    assert active.set(mode="fixed")[0].successful
    active.drive(2.5, rate=5)
    assert int(active.figures().get("status FIXED", "0")) or any(
        value.key == "status FIXED" and int(value.value)
        for status in active.diagnostics
        for value in status.values
    )
    # A new file of the same name is read when the parameter is set again.
    moved = replace(Calibration.load(file), homography=np.array([[1.0, 0, 7], [0, 1, 0], [0, 0, 1]]))
    moved.save(file)
    assert active.set(calibration_file=str(file))[0].successful
    active.outputs.clear()
    active.listen("homography")
    active.drive(1.5, rate=5)
    used = [np.frombuffer(each.data).reshape(3, 3)[0, 2] for each in active.outputs["homography"]]
    assert 7 in used  # until the images' edges contradict it
    active.set(together=True, mode="live", calibration_file="")
