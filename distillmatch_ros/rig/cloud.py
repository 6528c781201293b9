"""The thermal point cloud of a frame with depth."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.rig.dense import dense_rays
from distillmatch_ros.rig.parallax import DepthMapping


def thermal_cloud(mapping: DepthMapping, visible: NDArray[Any], thermal: NDArray[Any]) -> NDArray[np.void]:
    """Points of the visible pixels whose depth was measured and that the thermal camera sees.

    Args:
        mapping: of a rig in metres.
        visible: (H, W) or (H, W, 3), BGR.
        thermal: (H, W) or (H, W, C); of several channels their grey counts.

    Returns:
        (N,) with the fields x, y, z (float32, metres, the visible camera's optical frame), red, green, blue
        (uint8) and thermal (the camera's values in their own type, but float32 for those of 8 bytes).
    """
    chosen = mapping.mask & ~mapping.filled & (mapping.inverse_depth > 0)
    depth = 1 / mapping.inverse_depth[chosen]
    heat = mapping.warp_thermal(to_grey(thermal))[chosen]
    heat = heat.astype(np.float32) if heat.dtype.itemsize > 4 else heat
    picture = visible if visible.dtype == np.uint8 else to_8bit(to_grey(visible))
    colours = np.atleast_3d(picture)[chosen]
    cloud = np.empty(
        depth.size,
        [(name, "<f4") for name in "xyz"]
        + [(name, "u1") for name in ("red", "green", "blue")]
        + [("thermal", heat.dtype.newbyteorder("<"))],
    )
    for name, ray in zip("xyz", dense_rays(mapping.rig.visible), strict=True):
        cloud[name] = ray[chosen] * depth
    for channel, name in enumerate(("blue", "green", "red")):
        cloud[name] = colours[:, min(channel, colours.shape[1] - 1)]
    cloud["thermal"] = heat
    return cloud


def ply(cloud: NDArray[np.void]) -> bytes:
    """A cloud as a binary PLY file, which CloudCompare, MeshLab, Open3D and Blender read."""
    kinds = {
        "f4": "float",
        "u1": "uchar",
        "u2": "ushort",
        "i1": "char",
        "i2": "short",
        "u4": "uint",
        "i4": "int",
    }
    assert cloud.dtype.names is not None, "it has fields"
    fields = [(name, cloud.dtype[name].str[1:]) for name in cloud.dtype.names]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment metres, optical frame of the visible camera: x right, y down, z forward",
        f"element vertex {len(cloud)}",
        *(f"property {kinds[kind]} {name}" for name, kind in fields),
        "end_header\n",
    ]
    return "\n".join(lines).encode() + cloud.tobytes()
