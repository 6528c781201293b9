"""bag --depth: point clouds of the pairs with depth, and what is said of the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability
from support.cli import run
from support.tiny_network import WriteNetwork

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.scene import SyntheticPair

PAIRS, BROKEN, MISSING = 5, 3, 4
POINTS, MASK = "/distillmatch/points", "/distillmatch/thermal_registered/mask"


@pytest.fixture
def drive(tmp_path: Path, near_street: SyntheticPair) -> Path:
    """Five pairs a second apart: one with depth in millimetres that are called metres, one without depth."""
    RigFile.of(LearnedRig(true_rig(near_street), DEPTHS, shifted=False), 30).save(tmp_path / "rig.yaml")
    messages, metres = ros2_messages(), near_street.visible_depth.astype(np.float32)
    sensors = {
        "/rgb": Frame(near_street.visible, "bgr8", 0, "rgb"),
        "/thermal": Frame(near_street.thermal, "16UC1", 0, "thermal"),
        "/depth": Frame(metres, "32FC1", 0, "rgb"),
    }
    with BagWriter(tmp_path / "drive.mcap", ros2_types(), False) as writer:
        for number in range(PAIRS):
            stamp = (1 + number) * SECOND
            for topic, frame in sensors.items():
                if (topic, number) == ("/depth", MISSING):
                    continue
                image = (
                    frame.image * np.float32(1000) if (topic, number) == ("/depth", BROKEN) else frame.image
                )
                image = image if topic == "/depth" else image + np.full_like(image, number)
                writer.write(topic, stamp, messages.image(replace(frame, stamp=stamp, image=image)))
    return tmp_path / "drive.mcap"


@pytest.mark.slow
def test_pairs_with_depth_give_points(
    drive: Path, write_network: WriteNetwork, near_street: SyntheticPair
) -> None:
    model, out = write_network(), drive.with_name("out.mcap")
    done = run(
        *("bag", drive, out, "--rgb", "/rgb", "--thermal", "/thermal", "--depth", "/depth", "--model", model),
        *("--set", "mode=fixed", "--set", f"calibration_file={drive.with_name('rig.yaml')}"),
        *("--only", "points", "--only", "thermal_registered/mask", "--json", drive.with_name("out.json")),
    )
    assert done.exit_code == 1, "the broken depth is a problem"
    assert "median" in done.output
    with Bag(out) as bag:
        stamps = {
            topic: [each.received // SECOND for each in bag.messages([topic])] for topic in (POINTS, MASK)
        }
        widths = [each.message.width for each in bag.messages([POINTS])]
    assert stamps[MASK] == [1, 2, 3, 4, 5]
    assert stamps[POINTS] == [1, 2, 3]
    assert min(widths) > 50_000
    _assert_said_once(out, true_rig(near_street))
    assert '"depth missing": 1' in drive.with_name("out.json").read_text()
    assert '"depth unusable": 1' in drive.with_name("out.json").read_text()


def _assert_said_once(out: Path, rig: RigModel) -> None:
    """Where the thermal camera is: latched, so that those who come late to a replay get it too."""
    with AnyReader([out]) as reader:
        (connection,) = (each for each in reader.connections if each.topic == "/tf_static")
        ((_, received, data),) = reader.messages([connection])
        (stamped,) = reader.deserialize(data, connection.msgtype).transforms
    assert received == SECOND
    assert (stamped.header.frame_id, stamped.child_frame_id) == ("rgb", "thermal")
    move = stamped.transform.translation
    np.testing.assert_allclose([move.x, move.y, move.z], rig.T_visible_thermal.translation)
    (qos,) = connection.ext.offered_qos_profiles
    assert qos.durability is QosDurability.TRANSIENT_LOCAL
