"""How far off the truth itself is where it rests on the alignment of a pair: told by blocks of edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.evaluation.panning import THERMAL, TRUTH, VISIBLE, Image, Place
from distillmatch_ros.geometry.homography import Float64, corner_error
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.estimation import FrameMatches

_ROUNDS = 3  # each starts where the last one ended: blocks are searched within a few pixels
_LEAST = 12  # fewest blocks that tell anything
_AGREE_PX = 2.5  # distance of a block from the map that the others agree on, pixels of the still
_VIEWS_S = np.linspace(0.0, 10.0, 6)  # times of the views whose corners are compared


def reference_px(place: Place) -> float | None:
    """Mean distance by which edges move the thermal images' corners from where the reference has them.

    All blocks of the still's edges together tell one affine map, which things nearer than others do not bend.

    Returns:
        Reference pixels; None with too few clear blocks.
    """
    onto = alignment_by_edges(*place.stills)
    if onto is None:
        return None
    views = [place.view(seconds) for seconds in _VIEWS_S]
    off = [corner_error(np.linalg.inv(view) @ onto @ view @ TRUTH, TRUTH, THERMAL, VISIBLE) for view in views]
    return float(np.mean(off))


def alignment_by_edges(visible: Image, thermal: Image) -> Float64 | None:
    """What blocks of edges say of the alignment of a pair.

    Args:
        visible: uint8 (H, W, 3).
        thermal: uint8 (H, W), aligned with it.

    Returns:
        float64 (3, 3), affine, from thermal pixels to where edges have them in the visible image; None with
        too few clear blocks.
    """
    onto: Float64 = np.eye(3)
    size = thermal.shape[0], thermal.shape[1]
    for _ in range(_ROUNDS):
        moved = _affine(edge_matches(to_grey(visible), thermal, HomographyMapping(onto, size, size)))
        if moved is None:
            return None
        onto = moved
    return onto


def _affine(blocks: FrameMatches) -> NDArray[np.float64] | None:
    if len(blocks.thermal) < _LEAST:
        return None
    points = blocks.thermal.astype(np.float32), blocks.visible.astype(np.float32)
    found, agreeing = cv2.estimateAffine2D(*points, ransacReprojThreshold=_AGREE_PX)
    return np.vstack([found, (0.0, 0.0, 1.0)]) if int(agreeing.sum()) >= _LEAST else None
