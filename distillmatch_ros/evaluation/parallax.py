"""How well mappings follow the depth of synthetic scenes, of which every pixel's true place is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.scene.camera import SyntheticCamera

DEPTHS = (0.02, 0.4)
"""Inverse depths between which the planes of scenes lie, 1 / metre."""

_EVERY = 3  # pixels between those that are measured
_RIGHT_PX = 3.0


@dataclass(frozen=True)
class ParallaxFigures:
    """Of one mapping of one scene, over the visible pixels whose scene point the thermal camera shows.

    Attributes:
        median_px: median distance of where a visible pixel is taken from its true place, thermal pixels.
        p95_px: 95th percentile.
        missed: fraction of them that is left without a thermal pixel.
        ghosts: fraction of the pixels hidden from the thermal camera that carry what hides them.
    """

    median_px: float
    p95_px: float
    missed: float
    ghosts: float

    @classmethod
    def of(cls, mapping: ImageMapping, pair: SyntheticPair) -> "ParallaxFigures":
        """Measure a mapping."""
        errors = errors_px(mapping, pair)
        seen = np.isfinite(_some(pair.visible_truth.places)[..., 0])
        found = errors[seen & np.isfinite(errors)]
        hidden = pair.visible_truth.hidden
        return cls(
            median_px=float(np.median(found)),
            p95_px=float(np.percentile(found, 95)),
            missed=1 - found.size / int(seen.sum()),
            ghosts=float(mapping.mask[hidden].mean()),
        )


@dataclass(frozen=True)
class RegionFigures:
    """Of depth by regions beside the plane of the frame, over the visible pixels with a true place.

    Attributes:
        off: fraction of the pixels that the plane takes more than 3 thermal pixels from their true place.
        off_by_plane_px: median distance of those by the plane.
        off_px: the same by regions.
        stays: fraction of the other pixels that stay within 3 thermal pixels.
    """

    off: float
    off_by_plane_px: float
    off_px: float
    stays: float

    @classmethod
    def of(cls, pair: SyntheticPair) -> "RegionFigures":
        """Measure on a scene, with the true rig and the plane that edges find."""
        rig, seen = LearnedRig(true_rig(pair), DEPTHS, shifted=False), observation(pair)
        by_plane, by_regions = (errors_px(m, pair) for m in (rig.register(seen), rig.by_regions(seen)))
        known = np.isfinite(by_plane) & np.isfinite(by_regions)
        off = known & (by_plane > _RIGHT_PX)
        return cls(
            off=float(off.sum() / known.sum()),
            off_by_plane_px=float(np.median(by_plane[off])),
            off_px=float(np.median(by_regions[off])),
            stays=float((by_regions[known & ~off] <= _RIGHT_PX).mean()),
        )


def observation(pair: SyntheticPair) -> Observation:
    """A scene as a rig sees it, without matches."""
    nothing = FrameMatches(np.zeros((0, 2)), np.zeros((0, 2)))
    return Observation(to_grey(pair.visible), to_8bit(pair.thermal), nothing, None)


def errors_px(mapping: ImageMapping, pair: SyntheticPair) -> Float64:
    """Distance of visible pixels' thermal places from the true ones, thermal pixels.

    Returns:
        float64 (rows, columns), of every third pixel either way; NaN where the mapping or the truth has none.
    """
    rows, columns = _some(np.moveaxis(np.indices(mapping.visible_size), 0, -1)).reshape(-1, 2).T
    true = _some(pair.visible_truth.places)
    gaps = mapping.to_thermal(np.column_stack([columns, rows]).astype(np.float64)) - true.reshape(-1, 2)
    return np.asarray(np.hypot(gaps[:, 0], gaps[:, 1]).reshape(true.shape[:2]), np.float64)


def _some(values: NDArray[Any]) -> NDArray[Any]:
    return values[::_EVERY, ::_EVERY]


def true_rig(pair: SyntheticPair) -> RigModel:
    """The rig of a scene's cameras, in metres."""
    visible, thermal = pair.visible_camera, pair.thermal_camera
    pose = Pose(visible.rotation @ thermal.rotation.T, visible.rotation @ (thermal.centre - visible.centre))
    return RigModel(_camera(visible), _camera(thermal), pose, {"scale": "given"})


def _camera(camera: SyntheticCamera) -> Camera:
    return Camera(camera.size[::-1], camera.matrix, np.array([camera.k1, 0, 0, 0]))
