"""A sweep of depths around a frame's plane: where visible pixels lie in the thermal image at each of them.

Both images are reduced, so that a step of depth moves pixels in the middle by one. Depths are found on a
lattice of cells, of some pixels either way.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.registration.alignment import LATTICE
from distillmatch_ros.rig.dense import Float32, interpolate, lattice_rays, project_dense
from distillmatch_ros.rig.model import RigModel, grid_rays

COLUMNS = 320
"""Pixels across the reduced thermal image, at which edges are compared."""
FARTHER, NEARER = 8, 18
"""Depths that are tried on either side of the plane."""
FINE = 2
"""Pixels in a cell, either way, among those of which every second one is used."""

_CELL = FINE * LATTICE  # pixels, either way
_STEP = 1.0  # parallax between depths, pixels


@dataclass(frozen=True, eq=False)
class Sweep:
    """Where the visible image's pixels, reduced to `size`, lie in the reduced thermal image at each depth."""

    rig: RigModel
    plane: Float64
    shift: tuple[float, float]

    @cached_property
    def own_size(self) -> Size:
        """Of the reduced thermal image."""
        height, width = self.rig.thermal.size
        return round(COLUMNS * height / width), COLUMNS

    @cached_property
    def cells(self) -> Size:
        """Of the lattice on which depths are found; its cells are as large in both images."""
        thermal, visible = self.rig.thermal, self.rig.visible
        scale = COLUMNS / thermal.size[1] * thermal.matrix[0, 0] / visible.matrix[0, 0] / _CELL
        return max(1, round(visible.size[0] * scale)), max(1, round(visible.size[1] * scale))

    @cached_property
    def size(self) -> Size:
        """Of the reduced visible image."""
        return _CELL * self.cells[0], _CELL * self.cells[1]

    @cached_property
    def covered(self) -> tuple[slice, slice]:
        """Rows and columns of cells that hold all that the thermal camera sees on the plane."""
        _, rays = grid_rays(self.rig.thermal)
        places = self.rig.visible.project(rays @ self.rig.on_plane(self.plane, self.shift).between_rays.T)
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            return slice(0, 2), slice(0, 2)  # nothing there is compared
        scale = np.array(self.cells[::-1]) / self.rig.visible.size[::-1]
        low, high = places.min(axis=0) * scale, places.max(axis=0) * scale
        first = np.clip(np.floor(low), 0, np.subtract(self.cells[::-1], 2)).astype(int)
        last = np.clip(np.ceil(high), first + 2, self.cells[::-1]).astype(int)
        return slice(first[1], last[1]), slice(first[0], last[0])

    @cached_property
    def fine(self) -> tuple[slice, slice]:
        """The same of pixels, of which every second suffices for smoothed edges."""
        rows, columns = (slice(_CELL * each.start, _CELL * each.stop, LATTICE) for each in self.covered)
        return rows, columns

    @property
    def halves(self) -> tuple[slice, slice]:
        """The same among every second of all pixels."""
        rows, columns = (slice(FINE * each.start, FINE * each.stop) for each in self.covered)
        return rows, columns

    @cached_property
    def unit(self) -> float:
        """Inverse depth of a step: one that moves pixels in the middle of the image by its length; or 0."""
        rays, tiny = lattice_rays(self.rig.visible), 1e-3
        middle = rays[tuple(slice(length // 4, -length // 4, 4) for length in rays.shape[:2])]
        moved = np.hypot(*(self._at(tiny, middle) - self._at(0.0, middle)))
        moved = moved[np.isfinite(moved)]
        return tiny * _STEP / max(float(np.median(moved)), 1e-9) if moved.size else 0.0

    def places(self, step: float) -> Float32:
        """Places in the reduced thermal image of the pixels in `fine`, float32 (2, rows, columns)."""
        still, along = self._path
        return still + np.float32(step) * along

    @cached_property
    def _path(self) -> tuple[Float32, Float32]:
        """Places on the plane, and by how much a step moves them, which lenses hardly change on the way."""
        rays = lattice_rays(self.rig.visible)
        still, near = (self._at(step * self.unit, rays) for step in (0, FARTHER))
        fields = (still, (near - still) / FARTHER)
        visible = self.rig.visible.size
        halves = slice(None), *self.halves
        on_plane, along = (
            np.ascontiguousarray(interpolate(each, visible, self.size, LATTICE)[halves]) for each in fields
        )
        return on_plane, along

    def _at(self, beside: float, rays: Float64) -> Float64:
        """Places in the reduced thermal image, (2, rows, columns), of visible rays beside the plane."""
        rays = rays - (*self.shift, 0.0)
        back = np.linalg.inv(self.rig.on_plane(self.plane).between_rays)
        pose = self.rig.T_visible_thermal.inverse()
        moved = rays @ pose.rotation.T + (rays @ (self.plane @ back) + beside)[..., None] * pose.translation
        points = np.moveaxis(moved[..., :2] / moved[..., 2:], -1, 0)
        pixels = project_dense(self.rig.thermal, np.ascontiguousarray(points, np.float32)).astype(np.float64)
        return (pixels + 0.5) * (COLUMNS / self.rig.thermal.size[1]) - 0.5
