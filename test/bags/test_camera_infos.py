"""Images of bags, undistorted by the CameraInfo beside them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.bags import INFO, RGB, THERMAL, Drive, Message, camera_info, write_bag
from support.cli import run
from typer.testing import Result

from distillmatch_ros.bags.camera_infos import info_topic
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.stream.outputs import NODE


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


def register(bag: Path, out: Path, model: str, *more: object, rgb: str = RGB) -> Result:
    return run("bag", bag, out, "--rgb", rgb, "--thermal", THERMAL, "--model", model, *more)


def test_camera_info_is_beside_its_image() -> None:
    assert info_topic("/cam/image_raw/compressed") == info_topic("/cam/image_raw") == "/cam/camera_info"
    assert info_topic("/image") == "/camera_info"


def test_undistortion_needs_camera_info_and_shows_in_the_one_that_goes_out(
    model: str, tmp_path: Path
) -> None:
    messages = []
    for each in Drive(pairs=2).messages():
        if each.topic.endswith("camera_info"):
            each.message.d[:] = (0.1, 0, 0, 0, 0)
            messages.append(Message("/thermal/camera_info", each.received, each.message))
        messages.append(each)
    bag = write_bag(tmp_path, "mcap", messages)
    for name, setting, count in (("raw", "false", 5), ("undistorted", "true", 0)):
        out = tmp_path / f"{name}.mcap"
        result = register(bag, out, model, "--set", f"undistort={setting}")
        assert result.exit_code == 0, result.output
        with Bag(out) as written:
            info = next(written.messages((f"{NODE}/thermal_registered/camera_info",))).message
            assert len(info.d) == count and info.k[0] == 90
    for message in (unusable := list(Drive(pairs=2).messages())):
        if message.topic == INFO:
            message.message.k[:] = 0
    bare = write_bag(tmp_path / "bare", "mcap", unusable)
    result = register(bare, tmp_path / "bare.mcap", model, "--set", "undistort=true")
    assert result.exit_code == 2 and "no camera is calibrated" in result.stderr
    assert "holds no calibration" in result.stderr and "no camera_info beside its thermal" in result.stderr
    assert not (tmp_path / "bare.mcap").exists()


def test_rectified_images_are_not_undistorted_again(model: str, tmp_path: Path) -> None:
    messages = [
        replace(each, topic="/rgb/image_rect") if each.topic == RGB else each
        for each in Drive(pairs=2).messages()
    ]
    for each in messages:
        if each.topic == INFO:
            each.message.d[:] = (0.1, 0, 0, 0, 0)
    bag = write_bag(tmp_path, "mcap", messages)
    out = tmp_path / "out.mcap"
    told_at = tmp_path / "told.json"
    result = register(bag, out, model, "--set", "undistort=true", "--json", told_at, rgb="/rgb/image_rect")
    assert result.exit_code == 0, result.output
    (told,) = json.loads(told_at.read_text())
    assert told["undistorted"] == [] and "/rgb/image_rect is rectified" in " ".join(told["notes"])
    with Bag(out) as written:
        info = next(written.messages((f"{NODE}/thermal_registered/camera_info",))).message
    assert info.d[0] == 0.1, "as image_proc publishes it beside image_rect"


@pytest.mark.parametrize("calibrated", [THERMAL, RGB])
@pytest.mark.parametrize("other", ["none", "zeros", "of an unknown model"])
def test_each_camera_is_undistorted_by_itself(
    model: str, tmp_path: Path, calibrated: str, other: str
) -> None:
    messages: list[Message] = []
    for each in Drive(pairs=2).messages():
        messages += [each] if each.topic != INFO else []
        for topic in (RGB, THERMAL) if each.topic == INFO else ():
            info = camera_info(each.received, Drive().size)
            if topic == calibrated:
                info.d[:] = (0.1, 0, 0, 0, 0)
            elif other == "zeros":
                info.k[:] = 0
            elif other == "none":
                continue
            else:
                info.distortion_model, info.d[:] = "of the vendor", 0.1
            messages.append(Message(info_topic(topic), each.received, info))
    bag = write_bag(tmp_path, "mcap", messages)
    out = tmp_path / "out.mcap"
    result = register(bag, out, model, "--set", "undistort=true", "--json", str(tmp_path / "told.json"))
    assert result.exit_code == 0, result.output
    side = "visible" if calibrated == RGB else "thermal"
    (told,) = json.loads((tmp_path / "told.json").read_text())
    assert told["pairs"] == 2 and told["undistorted"] == [side]
    (note,) = told["notes"]
    assert note.startswith(f"{'thermal' if side == 'visible' else 'visible'} images are not undistorted")
    with Bag(out) as written:
        infos = [m.message for m in written.messages((f"{NODE}/thermal_registered/camera_info",))]
    if side == "visible":
        assert all(len(info.d) == 0 for info in infos)
    elif other == "of an unknown model":  # the image keeps its distortion, and its camera_info says so
        assert all(info.distortion_model == "of the vendor" and info.d[0] == 0.1 for info in infos)
    (shown, *_) = read_bag(out, bag).load(read_bag(out).entries).values()
    assert shown.visible is not None and shown.thermal is not None
