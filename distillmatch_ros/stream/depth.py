"""Depth frames of a stream: what has to hold before a pair is mapped by one."""

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.parallax import DepthMapping, with_depth


def map_by_depth(mapping: RigMapping, depth: Frame, visible: Frame) -> DepthMapping:
    """The mapping of a pair by a depth frame.

    Args:
        mapping: of the pair's plane, which stands in where large parts of the depth are unknown; by a rig in
            metres.
        depth: registered to the visible image; see `inverse_depth_of` for units.
        visible: the visible frame.

    Raises:
        DistillMatchError: the depth is of another frame, size or unit, or all unknown; or the rig is not
            known in metres.
    """
    if depth.frame_id != visible.frame_id:
        raise DistillMatchError(
            f"depth: its frame_id {depth.frame_id!r} is not that of the RGB images, {visible.frame_id!r}; "
            "give depth that is registered to them, which drivers of depth cameras call aligned"
        )
    inverse_depth = registered(depth.image, visible.image.shape[:2])
    if np.isnan(inverse_depth).all():
        raise DistillMatchError("depth: no pixel holds a distance; check the depth camera and its range")
    return with_depth(mapping, inverse_depth)
