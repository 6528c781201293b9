"""The node comes up, goes down and fails as a lifecycle node should, and its process ends when asked to."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.bench import Bench, picture
from support.ros_fixtures import StartNode
from support.ros_process import Process, wait_for
from support.tiny_network import tiny_graph, write_tiny

OFF = ("-p", "autostart:=false")


@pytest.mark.slow
def test_transitions(start: StartNode) -> None:
    _, bench = start(*OFF)
    assert bench.state == "unconfigured"
    assert bench.node.count_publishers("/distillmatch/overlay") == 0
    assert bench.change("configure")
    assert bench.state == "inactive"
    bench.until(lambda: bench.node.count_publishers("/distillmatch/overlay"))
    assert bench.cameras["rgb"].get_subscription_count() == 0
    bench.listen("homography")
    for _ in range(2):
        assert bench.change("activate")
        bench.see()
        bench.drive(1.0, rate=5)
        bench.until(lambda: bench.outputs["homography"])
        assert bench.change("deactivate")
        bench.until(lambda: bench.cameras["rgb"].get_subscription_count() == 0)
        del bench.outputs["homography"][:]
        bench.drive(0.5, rate=10)
        assert not bench.outputs["homography"]
    assert bench.change("cleanup")
    assert bench.state == "unconfigured"
    bench.until(lambda: bench.node.count_publishers("/distillmatch/overlay") == 0)
    bench.diagnosed("ros2 lifecycle set /distillmatch configure")


@pytest.mark.slow
def test_failing_to_configure_says_why_and_may_be_tried_again(start: StartNode, tmp_path: Path) -> None:
    missing = tmp_path / "robot.onnx"
    node, bench = start(model=missing)
    assert str(missing) in bench.diagnosed("unconfigured: ").message
    assert bench.state == "unconfigured"
    assert "no such model file" in node.said
    assert "Traceback" not in node.said
    write_tiny(missing)
    assert bench.change("configure")
    assert bench.change("activate")
    bench.see()


@pytest.mark.slow
def test_bad_calibration_is_rejected(start: StartNode, tmp_path: Path) -> None:
    file = tmp_path / "rig.yaml"
    file.write_text("homography: [1, 2")
    node, bench = start("-p", "mode:=fixed", "-p", f"calibration_file:={file}")
    assert str(file) in bench.diagnosed("unconfigured: ").message
    assert "Traceback" not in node.said


@pytest.mark.slow
def test_engine_that_fails_takes_the_node_down_and_not_the_process(start: StartNode, tmp_path: Path) -> None:
    node, bench = start("-p", "backend:=onnx", model=write_tiny(tmp_path / "fails.onnx", fails_when_bright()))
    bench.see()
    bench.drive(1.0, rate=5)
    assert bench.state == "active"
    bright = np.full((64, 80, 3), 250, np.uint8)
    bright[0, 0] = 0
    bench.send("rgb", bright, "rgb8", bench.now)
    bench.send("thermal", *picture("thermal", 0), bench.now)
    reason = bench.diagnosed("unconfigured: ").message
    assert "indices element out of data bounds" in reason
    assert bench.state == "unconfigured"
    assert "Traceback" not in node.said
    assert bench.change("configure")
    assert bench.change("activate")
    bench.see()
    bench.listen("homography")
    bench.drive(1.0, rate=5)
    bench.until(lambda: bench.outputs["homography"])


def fails_when_bright() -> onnx.GraphProto:
    """ONNX Runtime looks a value up that is not there, once the visible image's mean exceeds 0.75."""
    graph = tiny_graph()
    for node in graph.node:
        if node.output[0] == "visible_confidence":
            node.input[0] = "scaled"
    at = next(index for index, node in enumerate(graph.node) if node.output[0] == "visible_mean") + 1
    for node in reversed(
        [
            helper.make_node("Mul", ["visible_mean", "four"], ["place"]),
            helper.make_node("Cast", ["place"], ["index"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["ones", "index"], ["one"]),
            helper.make_node("Mul", ["visible_mean", "one"], ["scaled"]),
        ]
    ):
        graph.node.insert(at, node)
    graph.initializer.append(numpy_helper.from_array(np.float32(4), "four"))
    graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "ones"))
    return graph


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("starting", signal.SIGTERM),
        ("unconfigured", signal.SIGINT),
        ("inactive", signal.SIGTERM),
        ("active", signal.SIGINT),
        ("active", signal.SIGTERM),
        ("busy", signal.SIGINT),
    ],
)
def test_signals_end_the_process_cleanly(start: StartNode, number: signal.Signals, state: str) -> None:
    node, bench = start(*OFF)
    if state == "starting":
        wait_for(lambda: catches(node.pid, number))  # before that it ends as any program does
    else:
        bring_to(state, node, bench)
    node.signal(number)
    if state == "busy":  # a second one, as of somebody impatient, changes nothing
        node.signal(number)
    assert node.wait() == 0
    assert "Traceback" not in node.said


@pytest.mark.slow
def test_two_signals_at_once_end_the_process(start: StartNode) -> None:
    """The kernel may hand both to a thread that does not wake the one that waits for them."""
    for _ in range(8):
        node, bench = start(*OFF)
        assert bench.state == "unconfigured"
        node.signal(signal.SIGINT)
        node.signal(signal.SIGTERM)
        assert node.wait() == 0


def test_signals_that_another_thread_takes_are_noticed() -> None:
    program = (
        "import os, signal, threading, time\n"
        "from distillmatch_ros.ros.fusion_node import _Endings\n"
        "endings = _Endings()\n"
        "def send():\n"
        "    time.sleep(0.5)\n"
        "    for number in (signal.SIGINT, signal.SIGTERM):\n"
        "        signal.pthread_kill(threading.get_ident(), number)\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=send, daemon=True).start()\n"
        "endings.wait()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=200, check=True)


def catches(pid: int, number: signal.Signals) -> bool:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


def bring_to(state: str, node: Process, bench: Bench) -> None:
    assert bench.state == "unconfigured"
    if state != "unconfigured":
        assert bench.change("configure")
    if state in ("active", "busy"):
        assert bench.change("activate")
    if state == "busy":
        bench.listen("overlay")
        bench.see()
        bench.drive(0.5)
    assert node.is_running()


@pytest.mark.slow
def test_transition_that_the_state_does_not_allow_ends_nothing(start: StartNode) -> None:
    node, bench = start(*OFF)
    assert not bench.change("activate")
    # The second is rclpy's own, from Kilted on.
    assert re.search(r"rejected while unconfigured|Unable to start transition .*unconfigured", node.said)
    assert bench.state == "unconfigured"
    assert bench.change("configure")
    assert node.is_running()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-p", "tolerance:=-1.0"), "tolerance"),
        (("-p", "tolerance:=1"), "tolerance"),
        (("-p", "overlay:=shiny"), "parameter overlay is 'shiny'; choose blend"),
        (("-p", "mode:=fixed"), "calibration_file"),
        (("--params-file", "absent.yaml"), "absent.yaml"),
        (
            ("-p", "qos_overrides./rgb/image.subscription.reliability:=nonsense"),
            "qos_overrides./rgb/image.subscription.reliability is 'nonsense'; choose reliable or best_effort",
        ),
        (("-p", "qos_overrides./rgb/image.subscription.depth:=many"), "depth is 'many'; choose a number"),
        (("-p", "qos_overrides./rgb/image.subscription.depth:=0"), "depth is 0; choose a number"),
        (("-p", "qos_overrides./rgb/image.subscription.depth:=true"), "depth is True; choose a number"),
        (("-p", "qos_overrides./rgb/image.subscription.depth:=1000000000000"), "0; choose a number"),
        (("-p", "qos_overrides:=3"), "qos_overrides: no policy of QoS"),
        (("-p", "qos_overrides./rgb/image.subscription.speed:=1"), "no policy of QoS; choose history, "),
    ],
)
def test_wrong_arguments_are_rejected_with_the_reason(
    start: StartNode, arguments: tuple[str, ...], reason: str
) -> None:
    node, _ = start(*arguments)
    assert node.wait() == 2
    assert reason in node.said
    assert "Traceback" not in node.said


@pytest.mark.slow
def test_qos_of_topics_that_the_node_does_not_have_is_warned_of(start: StartNode) -> None:
    """rclpy would pass over it. Here a misspelt topic, and a publisher that is none."""
    wrong = "/rgb/imgae.subscription", "/rgb/image.publisher", "/rgb/camera_info.subscription"
    right = "/rgb/image.subscription", "/distillmatch/overlay.publisher"
    given = [("-p", f"qos_overrides.{name}.reliability:=best_effort") for name in (*wrong, *right)]
    node, bench = start(*(word for pair in given for word in pair))
    bench.see()
    ignored = re.findall(r"ignored: qos_overrides\.(\S+)\.reliability is of no topic", node.said)
    assert sorted(ignored) == sorted(wrong)


@pytest.mark.slow
def test_parameter_that_does_not_exist_is_warned_of(start: StartNode) -> None:
    """rclpy would pass over it; one that every node has is none."""
    node, bench = start(*OFF, "-p", "tolerence:=0.1", "-p", "use_sim_time:=false")
    assert bench.state == "unconfigured"
    assert "parameter tolerence is unknown; did you mean tolerance?" in node.said
    assert node.said.count("is unknown") == 1


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("--speed", 2)])
def test_what_is_no_argument_of_a_node_gets_the_usage(argument: str, code: int) -> None:
    command = [sys.executable, "-m", "distillmatch_ros.ros.fusion_node", argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code
    assert "usage: fusion_node" in (done.stdout if code == 0 else done.stderr)
