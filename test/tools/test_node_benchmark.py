"""The node's benchmark measures what it says, between real processes."""

import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.parallax import with_depth
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.tools import node_benchmark
from distillmatch_ros.tools.near_view import SIZE, NearView
from distillmatch_ros.tools.node_benchmark import WARM_UP_S, Usage, evaluate, run_node_benchmark


def test_figures_are_of_what_came_after_the_warm_up() -> None:
    published = {"status": "OK", "engine": 20.0, "registration": 30.0, "transport": 5.0, "passes": 1}
    tracked = {"status": "TRACKED", "engine": 0.0, "registration": 10.0, "transport": 5.0, "passes": 0}
    rows = [{"time": 100.0, "age": 9000.0, **published}]
    for index in range(100):
        kind = published if index % 4 == 0 else tracked
        rows.append({"time": 100 + WARM_UP_S + index / 10, "age": 25.0 if index < 90 else 60.0, **kind})
        rows.append({"time": 100 + WARM_UP_S + index / 10})
    used = [Usage(110.0 + second, 50 + 1.5 * second, 100.0 + second) for second in range(3)]
    places = [[1, 0, 3.0 * (index % 2), 0, 1, 0, 0, 0, 1] for index in range(10)] + [[np.nan] * 9]
    homographies = [{"time": 105.0, "homography": [1, 0, 500, 0, 1, 0, 0, 0, 1]}]
    homographies += [{"time": 110.0 + index, "homography": place} for index, place in enumerate(places)]
    found = evaluate(rows, homographies, used, 1.0)
    assert found.pairs_hz == pytest.approx(10)
    assert (found.superseded, found.statuses) == (100, {"OK": 25, "TRACKED": 75})
    assert found.tracked == 0.75
    assert found.passes_hz == pytest.approx(25 / 9.9)
    assert found.cores == pytest.approx(1.5)
    assert (found.age.median, found.age.p95) == (25.0, 60.0)
    assert found.engine is not None
    assert found.engine.median == 20.0
    assert found.within_registration == 0.9  # 1.3 x 10 + 15 = 28, 1.3 x 30 + 15 = 54
    assert found.jitter_px == pytest.approx(3)
    assert found.memory_mib == (100.0, 102.0, 102.0)
    assert found.growth_mib_per_minute == pytest.approx(60)
    with pytest.raises(DistillMatchError, match="no pairs after the warm-up"):
        evaluate(rows[:1], [], used, 1.0)


@pytest.mark.slow
def test_benchmark_of_real_processes(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    monkeypatch.setattr(node_benchmark, "WARM_UP_S", 1.0)
    found = run_node_benchmark(3.0, 0.0, ["-p", f"model:={network}", "-p", "backend:=onnx"])
    assert 0 < found.pairs_hz < 40
    assert 0 < found.transport.median < found.age.median
    assert found.registration.median < found.age.median
    assert 0 < found.cores < 64
    assert found.passes_hz > 0
    assert 50 < found.memory_mib[0] < 2000
    assert np.isfinite(found.growth_mib_per_minute)


@pytest.mark.slow
def test_wrong_parameter_is_said() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    with pytest.raises(DistillMatchError, match="shiny"):
        run_node_benchmark(1.0, arguments=["-p", "overlay:=shiny"])


def test_depth_of_the_benchmark_is_that_of_its_images(near_street: SyntheticPair) -> None:
    view = NearView.of(near_street)
    assert view.visible.shape[:2] == view.thermal.shape == view.depth.shape == SIZE
    mapping = with_depth(view.rig.model.at(0.05), registered(view.depth, SIZE))
    places = near_street.visible_truth.places
    scale = np.array(places.shape[:2]) / SIZE
    rows, columns = np.indices(SIZE)[:, ::16, ::16].reshape(2, -1)
    y, x = ((np.stack([rows, columns]) + 0.5) * scale[:, None]).astype(int)
    gaps = np.hypot(*(mapping.to_thermal(np.column_stack([columns, rows])) - places[y, x]).T)
    assert np.nanmedian(gaps) < 1
