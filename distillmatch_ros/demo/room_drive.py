"""A bag of a synthetic room with a depth camera: ``python -m distillmatch_ros.demo.room_drive OUT.mcap``.

Depth is registered to the RGB images, at half their resolution, with 2 % noise and 10 % holes. Topics are
those of the synthetic drive, /depth/image, and its camera_info, which is that of the RGB lens.
"""

import argparse
from pathlib import Path

from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.demo.drive import RGB, RGB_FRAME, RGB_INFO, START, THERMAL, THERMAL_FRAME, THERMAL_INFO
from distillmatch_ros.evaluation.parallax import poor, true_rig
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.scene import Room

DEPTH, DEPTH_INFO = "/depth/image", "/depth/camera_info"

_LENSES = {"both": (RGB_INFO, THERMAL_INFO), "rgb": (RGB_INFO,), "depth": (DEPTH_INFO,), "none": ()}


def record_room(
    path: Path, *, seed: int = 1, pairs: int = 24, rate_hz: float = 2.0, lenses: str = "both"
) -> float:
    """Render a room, from a robot that sways and turns, and record it.

    Args:
        path: the bag to write.
        seed: seed of the room.
        pairs: number of pairs.
        rate_hz: their rate, Hz.
        lenses: whose camera_info is recorded: ``both``, ``rgb``, ``depth`` or ``none``.

    Returns:
        The true distance of the cameras, m.

    Raises:
        DistillMatchError: the bag exists already, or cannot be written.
    """
    room, messages = Room(seed), ros2_messages()
    with BagWriter(path, ros2_types()) as writer:
        for number in range(pairs):
            pair = room.render(number)
            rig, stamp = true_rig(pair), START + round(number / rate_hz * SECOND)
            visible = Frame(pair.visible, "bgr8", stamp, RGB_FRAME)
            thermal = Frame(pair.thermal, "16UC1", stamp, THERMAL_FRAME)
            depth = Frame(poor(pair.visible_depth, number), "32FC1", stamp, RGB_FRAME)
            cameras = {
                RGB_INFO: (rig.visible, visible),
                THERMAL_INFO: (rig.thermal, thermal),
                DEPTH_INFO: (rig.visible.resized(depth.image.shape[:2]), depth),
            }
            for topic in _LENSES[lenses]:
                writer.write(topic, stamp, messages.camera(*cameras[topic]))
            for topic, frame in ((RGB, visible), (THERMAL, thermal), (DEPTH, depth)):
                writer.write(topic, stamp, messages.image(frame))
    return float((rig.T_visible_thermal.translation**2).sum() ** 0.5)


def main() -> None:
    """Record a room, and print its truth."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("out", type=Path, metavar="OUT.mcap")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="Seed of the room and the mounting.")
    parser.add_argument("--pairs", type=int, default=24, metavar="N", help="Pairs, two a second.")
    parser.add_argument("--lenses", choices=_LENSES, default="both", help="Whose camera_info is recorded.")
    options = parser.parse_args()
    metres = record_room(options.out, seed=options.seed, pairs=options.pairs, lenses=options.lenses)
    print(f"{options.out}: {options.pairs} pairs, cameras {metres:.4f} m apart")


if __name__ == "__main__":
    main()
