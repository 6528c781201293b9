"""A synthetic room with near things, mapped by the depth of each pixel: thermal values on a point cloud."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distillmatch_ros.bags.image_files import match_files
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_bytes
from distillmatch_ros.demo.stills import write_pair
from distillmatch_ros.evaluation.parallax import DEPTHS, ParallaxFigures, true_rig
from distillmatch_ros.images.files import encode_file
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.cloud import thermal_cloud
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.scene import Room
from distillmatch_ros.visualisation.cloud import draw_cloud

NAME = "room"

_MOMENT = 1.5  # of the room, s
_VIEWS = {"from the left": (-12.0, -6.0), "from the right": (12.0, -6.0)}  # degrees to the right, down


@dataclass(frozen=True)
class RoomDemo:
    """The room.

    Attributes:
        plane_px: median error by the plane that fits the pair best, thermal pixels, over what both see.
        depth_px: the same by depth.
        points: number of points of the cloud.
        pictures: by caption.
    """

    plane_px: float
    depth_px: float
    points: int
    pictures: dict[str, Path]


def show_room(registrar: Registrar, out: Path, seed: int = 0) -> RoomDemo:
    """Render a room, register it by its rig and its depth, and draw its cloud.

    ``out`` becomes what `distillmatch match` takes: visible/room.png, thermal/room.png, depth.png
    (millimetres) and rig.yaml; beside them lie its pictures and room_cloud.ply.

    Raises:
        DistillMatchError: ``out`` cannot be written.
    """
    pair = Room(seed).render(_MOMENT)
    rig = LearnedRig(true_rig(pair), DEPTHS, shifted=False)
    RigFile.of(rig, 0).save(out / "rig.yaml")
    millimetres = np.clip(1000 * pair.visible_depth, 0, 65535).astype(np.uint16)
    write_bytes(out / "depth.png", encode_file(millimetres, ".png"))
    paths = [write_pair(out, NAME, pair)]
    (flat,) = match_files(registrar, paths, out / "by_plane", rig=rig)
    (deep,) = match_files(registrar, paths, out, rig=rig, depth=out / "depth.png")
    if flat.registration is None or deep.registration is None:
        raise DistillMatchError(f"{out}: the room cannot be registered ({flat.error or deep.error})")
    plane, depth = flat.registration.mapping, deep.registration.mapping
    assert plane is not None, "a rig maps each pair"
    assert isinstance(depth, DepthMapping), "depth was given"
    cloud = thermal_cloud(depth, pair.visible, pair.thermal)
    pictures = {
        "by one plane": out / "by_plane" / f"{NAME}_overlay.png",
        "by the depth of each pixel; what a near thing hides stays as it is": out / f"{NAME}_overlay.png",
    }
    for name, turns in _VIEWS.items():
        path = out / f"{NAME}_{name.replace(' ', '_')}.png"
        write_bytes(path, encode_file(draw_cloud(cloud, (720, 960), *turns), ".png"))
        pictures[f"the thermal points, {name}"] = path
    errors = [ParallaxFigures.of(mapping, pair).median_px for mapping in (plane, depth)]
    return RoomDemo(errors[0], errors[1], len(cloud), pictures)
