"""Register the pairs of a folder in their order, as the node does: stream.py FOLDER RATE_HZ [RIG.yaml].

Pairs are tracked on edges between passes of the network, and the rig is learned meanwhile. A camera's images
go in the same way, one pair after the other.
"""

import sys
from pathlib import Path

from distillmatch_ros import Registrar
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.stream.stream import Stream


def frame(file: Path, stamp: int, camera: str) -> Frame:
    return Frame(read_image(file), "", stamp, camera)  # only ROS messages need an encoding


def main(folder: str, rate_hz: str, rig_file: str = "") -> None:
    with Registrar.open() as registrar:
        stream = Stream(registrar)
        for index, pair in enumerate(read_folder(Path(folder))):
            stamp = round(1e9 * index / float(rate_hz))  # ns; all times are told by stamps
            result = stream.process(frame(pair.visible, stamp, "rgb"), frame(pair.thermal, stamp, "thermal"))
            found = result.registration  # found.mapping is None if the pair was rejected
            print(pair.visible.name, found.status, found.probability)
        for event in stream.rig_events:
            print(event.sentence, file=sys.stderr)
        if rig_file and stream.known_rig is not None:
            RigFile.of(stream.known_rig.rig, stream.known_rig.passes).save(Path(rig_file))
        stream.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
