"""What a recording holds is shown, and the command that is advised works."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import RGB, START, THERMAL, Drive, Message, image, write_bag
from typer.testing import CliRunner

from distillmatch_ros.bags.guess import guess_topics, possible_pairs
from distillmatch_ros.bags.inspection import figures_of, inspect_bag
from distillmatch_ros.bags.job import BagJob, image_topics
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.stream.sensors import Sensor


@pytest.mark.parametrize(
    ("told", "visible", "thermal"),
    [
        ("/rgb/image=bgr8 /thermal/image=mono16", "/rgb/image", "/thermal/image"),
        ("/camera/color/image_raw=rgb8 /boson/image=16UC1", "/camera/color/image_raw", "/boson/image"),
        ("/cam0/image_raw=bayer_rggb8 /cam1/image_raw=mono16", "/cam0/image_raw", "/cam1/image_raw"),
        ("/flir/image=mono8 /image_raw=mono8", "/image_raw", "/flir/image"),
        (
            "/rgb/image=bgr8 /rgb/image/compressed=jpeg /ir/image=16UC1 /depth=16UC1",
            "/rgb/image",
            "/ir/image",
        ),
        ("/left/image=mono8 /right/image=mono8", None, None),
        ("/thermal_a/image=mono16 /thermal_b/image=mono16", None, None),
        ("", None, None),
    ],
)
def test_topics_are_told_by_name_and_encoding(told: str, visible: str | None, thermal: str | None) -> None:
    guess = guess_topics(dict(each.split("=") for each in told.split()))
    assert (guess.get(Sensor.VISIBLE), guess.get(Sensor.THERMAL)) == (visible, thermal)


@pytest.mark.parametrize(
    ("told", "pairs"),
    [
        (
            "/front/rgb/image=bgr8 /front/ir/image=16UC1 /rear/rgb/image=bgr8 /rear/ir/image=16UC1",
            ["/front/rgb/image /front/ir/image", "/rear/rgb/image /rear/ir/image"],
        ),
        (
            "/cam0/image_raw=bgr8 /cam1/image_raw=bgr8 /boson0/image_raw=16UC1 /boson1/image_raw=mono8 "
            "/lepton/image=16UC1",
            ["/cam0/image_raw /boson0/image_raw", "/cam1/image_raw /boson1/image_raw"],
        ),
        (
            "/rgb/image=bgr8 /rgb/image/compressed=jpeg /thermal_left/image=16UC1 /thermal_right/image=16UC1",
            ["/rgb/image /thermal_left/image", "/rgb/image /thermal_right/image"],
        ),
        ("/left/rgb=bgr8 /right/rgb=bgr8 /ir=16UC1", ["/left/rgb /ir", "/right/rgb /ir"]),
        ("/left/image=mono8 /right/image=mono8", []),
        ("/a/rgb=bgr8 /b/rgb=bgr8 /c/ir=16UC1 /d/ir=16UC1", []),
    ],
)
def test_rigs_are_told_apart_by_what_their_names_share(told: str, pairs: list[str]) -> None:
    found = possible_pairs(dict(each.split("=") for each in told.split()))
    assert [f"{pair[Sensor.VISIBLE]} {pair[Sensor.THERMAL]}" for pair in found] == pairs


def test_bag_of_two_rigs_takes_the_partner_of_what_is_named(tmp_path: Path) -> None:
    messages = [
        replace(each, topic=f"/{side}{each.topic}")
        for side in ("front", "rear")
        for each in Drive(pairs=3, info=False).messages()
    ]
    path = write_bag(tmp_path, "mcap", sorted(messages, key=lambda each: each.received))
    found = inspect_bag(path)
    assert found.command is None and found.advice is not None

    def topics(**named: str) -> dict[str, str]:
        job = BagJob(path, None, {Sensor(sensor): topic for sensor, topic in named.items()}, ())
        with open_bag(path) as bag:
            chosen = image_topics(bag, job, BagSummary(str(path), None))
        return {str(sensor): topic.name for sensor, topic in chosen.items()}

    for side in ("front", "rear"):
        rig = {"visible": f"/{side}{RGB}", "thermal": f"/{side}{THERMAL}"}
        assert f"--rgb {rig['visible']} --thermal {rig['thermal']}" in found.advice
        assert topics(thermal=rig["thermal"]) == topics(visible=rig["visible"]) == rig
    with pytest.raises(DistillMatchError, match="several cameras"):
        topics()


def test_recording_is_described(tmp_path: Path) -> None:
    found = inspect_bag(write_bag(tmp_path, "mcap", Drive(pairs=12)))
    assert found.guess == {"visible": RGB, "thermal": THERMAL} and found.pairs == 12
    assert found.advice is None and not found.losses and found.clocks is not None
    visible, thermal = found.topics
    assert (visible.messages, visible.encoding, visible.rate_hz) == (12, "bgr8", pytest.approx(10))
    assert thermal.frozen == 0 and thermal.figures is not None and thermal.figures.width == 80
    assert found.command is not None
    assert shlex.split(found.command)[-4:] == ["--rgb", RGB, "--thermal", THERMAL]


def test_figures_of_an_image() -> None:
    image = np.random.default_rng(0).integers(20000, 22000, (60, 80)).astype(np.float32)
    image[:6], image[:, -4:], image[30, 30] = 0, 0, np.nan
    found = figures_of(image)
    assert found.bars == (6, 4, 0, 0) and found.least == 0 and found.greatest < 22000
    assert found.not_finite == pytest.approx(1 / 4800)
    assert figures_of(np.zeros((5, 5), np.uint8)).bars == (0, 0, 0, 0)


def test_command_line(tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=3))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60), np.uint16))
    (tmp_path / "b.png").write_bytes(b"no image")
    arguments = ["inspect", str(bag), str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    result = CliRunner().invoke(app, [*arguments, "--json", "-"])
    assert result.exit_code == 1 and "b.png: damaged or not an image" in result.stderr
    kinds = [(each["kind"], each["error"] is None) for each in json.loads(result.stdout)]
    assert kinds == [("bag", True), ("image", True), ("image", False)]
    shown = CliRunner().invoke(app, arguments[:3])
    assert shown.exit_code == 0 and THERMAL in shown.stdout and "60 x 40" in shown.stdout


def test_bag_without_topics_uses_the_same_guess_and_says_so(write_network, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=3))
    arguments = ["bag", str(bag), str(tmp_path / "out.mcap"), "--model", str(write_network()), "--json", "-"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["pairs"] == 3
    assert f"--rgb {RGB} --thermal {THERMAL}" in result.stderr


def _with_depth(folder: Path, *depth: Message) -> Path:
    return write_bag(folder, "mcap", [*Drive(pairs=3).messages(), *depth])


def _depth_image(topic: str, frame: str, metres: float = 2.0, size: tuple[int, int] = (64, 80)) -> Message:
    slope = np.linspace(0.8, 1.2, size[0])[:, None] * np.ones(size[1])
    return Message(topic, START, image((1000 * metres * slope).astype(np.uint16), "16UC1", START, frame))


def test_depth_that_pairs_can_be_given_is_recommended(tmp_path: Path) -> None:
    registered = _depth_image("/camera/aligned_depth_to_color/image_raw", "rgb_optical")
    own = _depth_image("/camera/depth/image_rect_raw", "depth_optical")  # no /tf_static says where that is
    found = inspect_bag(_with_depth(tmp_path, own, registered))
    assert found.command is not None and shlex.split(found.command)[-2:] == ["--depth", registered.topic]
    assert found.guess == {"visible": RGB, "thermal": THERMAL, "depth": registered.topic}


@pytest.mark.parametrize(
    "depth",
    [
        _depth_image("/camera/depth/image_raw", "depth_optical"),
        _depth_image("/camera/depth/image_raw", "rgb_optical", metres=0),
        _depth_image("/camera/depth/image_raw", "rgb_optical", size=(48, 64)),
        _depth_image("/distillmatch/depth", "rgb_optical"),
    ],
    ids=["no pose", "no value", "another size", "own output"],
)
def test_depth_that_is_of_no_use_is_not_recommended(depth: Message, tmp_path: Path) -> None:
    found = inspect_bag(_with_depth(tmp_path, depth))
    assert found.command is not None and "--depth" not in found.command
