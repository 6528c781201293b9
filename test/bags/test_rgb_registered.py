"""RGB in the thermal frame, written by ``distillmatch bag``."""

from pathlib import Path

import numpy as np
from support.bags import RGB, THERMAL, Drive, write_bag
from typer.testing import CliRunner

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.cli import app
from distillmatch_ros.stream.outputs import NODE


def test_rgb_goes_into_the_thermal_frame_on_request(write_network, tmp_path: Path) -> None:
    bag, out = write_bag(tmp_path, "mcap", Drive(pairs=2)), tmp_path / "out.mcap"
    arguments = ["bag", bag, out, "--rgb", RGB, "--thermal", THERMAL, "--model", write_network()]
    only = ["--only", "rgb_registered/image"]
    assert CliRunner().invoke(app, [*map(str, arguments), *only]).exit_code == 0
    messages = ros2_messages()
    with Bag(bag) as source, Bag(out) as written:
        sent = [messages.to_frame(each.message) for each in source.messages((RGB,))]
        back = [
            messages.to_frame(each.message) for each in written.messages((f"{NODE}/rgb_registered/image",))
        ]
    assert len(back) == len(sent) == 2
    for frame, own in zip(back, sent, strict=True):
        assert (frame.stamp, frame.frame_id, frame.encoding) == (own.stamp, "thermal_optical", own.encoding)
        assert np.abs(frame.image[5:-5, 5:-5].astype(int) - own.image[5:-5, 5:-5]).mean() < 2
