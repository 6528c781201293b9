"""How well mappings follow the depth of synthetic scenes, of which every pixel's true place is known.

`python -m distillmatch_ros.evaluation.parallax` prints the figures of docs/concepts/parallax.md.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.files import write_bytes
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.files import encode_file
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.regions import find_regions
from distillmatch_ros.scene import Room, Scene, SyntheticPair
from distillmatch_ros.scene.camera import Float32, SyntheticCamera
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.overlay import draw_overlay

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


def poor(depth: Float32, seed: int = 0) -> Float32:
    """A depth image at half the resolution with 2 % noise and 10 % holes, half of them in patches."""
    rng = np.random.default_rng(seed)
    half = depth[::2, ::2] * (1 + 0.02 * rng.standard_normal((depth.shape[0] // 2, depth.shape[1] // 2)))
    patches = cv2.GaussianBlur(rng.standard_normal(half.shape), (0, 0), 6)
    half[(patches > np.quantile(patches, 0.95)) | (rng.random(half.shape) < 0.05)] = np.nan
    return np.asarray(half, np.float32)


def scenes(count: int) -> Iterator[tuple[str, SyntheticPair]]:
    """Rooms, and as many streets."""
    for seed in range(1, count + 1):
        yield f"room {seed}", Room(seed).render(seed)
    for seed in range(1, count + 1):
        yield f"street {seed}", Scene(seed, baseline=0.08, k1=-0.2).render()


def mappings(pair: SyntheticPair) -> dict[str, ImageMapping]:
    """What can be known of a scene: its plane, regions, its depth."""
    rig, seen = LearnedRig(true_rig(pair), DEPTHS, shifted=False), observation(pair)
    size = rig.model.visible.size
    return {
        "plane": rig.register(seen),
        "regions": rig.by_regions(seen),
        "depth": rig.by_depth(seen, registered(pair.visible_depth, size)),
        "poor depth": rig.by_depth(seen, registered(poor(pair.visible_depth), size)),
    }


def milliseconds(pair: SyntheticPair, runs: int = 15) -> dict[str, float]:
    """Median time of the search for regions, and of the mapping of a depth image, on one core."""
    cv2.setNumThreads(1)
    rig, seen = true_rig(pair), observation(pair)
    plane, depth = np.array([0.0, 0.0, 0.2]), registered(pair.visible_depth, rig.visible.size)
    times: dict[str, list[float]] = {"regions": [], "depth": []}
    for _ in range(runs + 1):  # the first fills the tables of the lenses
        for name, work in (
            ("regions", lambda: find_regions(rig, seen.visible, seen.thermal, plane)),
            ("depth", lambda: DepthMapping(rig, depth, plane).mask),
        ):
            start = process_time()
            work()
            times[name].append(1e3 * (process_time() - start))
    return {name: float(np.median(taken[1:])) for name, taken in times.items()}


def draw(pair: SyntheticPair) -> NDArray[np.uint8]:
    """The thermal image over the visible one by plane, regions and depth, side by side."""
    panels = []
    for name, mapping in list(mappings(pair).items())[:3]:
        found = Registration.without_matches(Status.FIXED, mapping, {})
        panel = draw_overlay(pair.visible, pair.thermal, found)
        panels.append(canvas.write(panel, name, (24, 30), 26, (255, 255, 255)))
    return np.hstack(panels)


def main() -> None:
    """Print the figures of rooms and streets."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--scenes", type=int, default=3, metavar="N", help="Rooms, and as many streets.")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="Write a picture of a room only.")
    options = parser.parse_args()
    if options.picture is not None:
        picture = cv2.resize(draw(Room(2).render(1.5)), None, fx=0.55, fy=0.55, interpolation=cv2.INTER_AREA)
        write_bytes(options.picture, encode_file(np.asarray(picture), options.picture.suffix))
        return
    print("| scene | | median | 95 % | hidden pixels that carry what hides them |")
    print("|---|---|---:|---:|---:|")
    regions = []
    for scene, pair in scenes(options.scenes):
        for name, mapping in mappings(pair).items():
            found = ParallaxFigures.of(mapping, pair)
            errors = f"{found.median_px:.2f} px | {found.p95_px:.2f} px"
            print(f"| {scene} | {name} | {errors} | {100 * found.ghosts:.1f} % |")
        regions.append((scene, RegionFigures.of(pair)))
    print("\n| scene | off by the plane by more than 3 px | their median | by regions | others that stay |")
    print("|---|---:|---:|---:|---:|")
    for scene, each in regions:
        medians = f"{each.off_by_plane_px:.1f} px | {each.off_px:.1f} px"
        print(f"| {scene} | {100 * each.off:.0f} % | {medians} | {100 * each.stays:.1f} % |")
    taken = milliseconds(pair)
    print(f"\nregions {taken['regions']:.0f} ms, depth {taken['depth']:.0f} ms of CPU time a frame")


if __name__ == "__main__":
    main()
