"""Pictures of a thermal point cloud from another place than the camera's."""

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.visualisation.canvas import NIGHT, Picture, inferno

_DOT = 3  # pixels of the picture that a point covers, either way
_FOCAL = 0.6  # focal length, widths of the picture


def draw_cloud(cloud: NDArray[np.void], size: Size, right: float, down: float) -> Picture:
    """Draw a cloud as seen from beside the camera that it was seen by, by its thermal values.

    Args:
        cloud: see `thermal_cloud`.
        size: (height, width) of the picture.
        right: angle by which the viewpoint is moved to the right around the middle of the cloud, degrees.
        down: likewise downwards.
    """
    points = np.stack([cloud[name] for name in "xyz"], axis=-1).astype(np.float64)
    colours = inferno(to_8bit(cloud["thermal"][None]))[0]
    middle = np.median(points, axis=0)
    turn = Pose.from_vectors(np.radians([-down, right, 0.0]), np.zeros(3)).rotation
    seen = (points - middle) @ turn.T + (0.0, 0.0, middle[2])
    height, width = size
    depth = np.maximum(seen[:, 2], 1e-3)
    columns, rows = (
        np.rint(_FOCAL * width * seen[:, axis] / depth + length / 2).astype(int)
        for axis, length in ((0, width), (1, height))
    )
    shown = (seen[:, 2] > 0.1) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    order = np.flatnonzero(shown)[np.argsort(-depth[shown])]  # from far to near: the last one is seen
    picture = np.full((height, width, 3), NIGHT, np.uint8)
    for aside, below in np.ndindex(_DOT, _DOT):
        down_to, right_to = rows[order] + below, columns[order] + aside
        picture[np.minimum(down_to, height - 1), np.minimum(right_to, width - 1)] = colours[order]
    return picture
