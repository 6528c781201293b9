"""The node's benchmark measures what it says, between real processes."""

import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.tools import node_benchmark
from distillmatch_ros.tools.node_benchmark import WARM_UP_S, evaluate, run_node_benchmark


def test_figures_are_of_what_came_after_the_warm_up() -> None:
    published = {"status": "OK", "engine": 20.0, "registration": 30.0, "transport": 5.0}
    rows = [{"time": 100.0, "age": 9000.0, **published}]
    for index in range(100):
        rows.append({"time": 100 + WARM_UP_S + index / 10, "age": 35.0 if index < 90 else 50.0, **published})
        rows.append({"time": 100 + WARM_UP_S + index / 10})
    found = evaluate(rows, [100.0, 101.0, 102.0])
    assert found.pairs_hz == pytest.approx(10)
    assert (found.superseded, found.statuses) == (100, {"OK": 100})
    assert (found.age.median, found.age.p95) == (35.0, 50.0)
    assert found.within_engine == 0.9  # 1.3 x 20 + 15 = 41
    assert found.within_registration == 1.0  # 1.3 x 30 + 15 = 54
    assert found.memory_mib == (100.0, 102.0, 102.0)
    assert found.growth_mib_per_minute == pytest.approx(60)
    with pytest.raises(DistillMatchError, match="no pairs after the warm-up"):
        evaluate(rows[:1], [100.0])


@pytest.mark.slow
def test_benchmark_of_real_processes(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    monkeypatch.setattr(node_benchmark, "WARM_UP_S", 1.0)
    found = run_node_benchmark(3.0, ["-p", f"model:={network}", "-p", "backend:=onnx"])
    assert 0 < found.pairs_hz < 40
    assert 0 < found.transport.median < found.age.median
    assert found.engine.median < found.registration.median < found.age.median
    assert 50 < found.memory_mib[0] < 2000
    assert np.isfinite(found.growth_mib_per_minute)


@pytest.mark.slow
def test_wrong_parameter_is_said() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    with pytest.raises(DistillMatchError, match="shiny"):
        run_node_benchmark(1.0, ["-p", "overlay:=shiny"])
