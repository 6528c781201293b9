"""Whether a rig's stated uncertainty holds on simulated drives; run as ``python -m``.

A drive has a random rig, and frames whose matches cover a random part of the image, lie on no exact plane,
share errors within a frame, and are wrong by chance. Counted is how often the true map lies within the 95 %
ellipse, at the centre and the corners of the thermal image, at the nearest and the farthest frame.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Points, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.estimation import FrameMatches, fit_rig
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.uncertainty import WITHIN_95, image_grid, map_covariance, places

THERMAL, VISIBLE = (512, 640), (540, 960)

_NOISE_PX, _SHARED_PX = 2.0, 1.0  # of single matches, and of what the matches of a frame have in common
_WRONG = 0.1  # fraction of matches
_RELIEF = 0.15  # relative change of inverse depth over a frame


@dataclass(frozen=True, eq=False)
class SimulatedDrive:
    """A rig, and what its frames show.

    Attributes:
        rig: the true one.
        matches: of each frame.
        inverse_depths: (frames,), mean of each frame.
    """

    rig: RigModel
    matches: list[FrameMatches]
    inverse_depths: Float64


def simulate(frames: int, seed: int) -> SimulatedDrive:
    """A random drive."""
    rng = np.random.default_rng((seed, frames))
    rig = _random_rig(rng)
    depths = rng.uniform(0.002, 0.08, frames)
    return SimulatedDrive(rig, [_frame(rig, depth, rng) for depth in depths], depths)


def within(drive: SimulatedDrive) -> Float64:
    """Learn the rig of a drive, and compare its map with the true one.

    Returns:
        (2, 5): squared distance of the true map from the found one, in standard deviations, at the nearest
        and the farthest frame, for the centre and the corners.
    """
    found = fit_rig(drive.matches, THERMAL, VISIBLE).rig
    rows = []
    for depth in (drive.inverse_depths.max(), drive.inverse_depths.min()):
        true = drive.rig.at(float(depth))
        own = _best_depth(found, true.to_visible(image_grid(THERMAL)), float(depth))
        points = places(THERMAL)
        gaps = found.at(own).to_visible(points) - true.to_visible(points)
        covariance = map_covariance(found, own, points)
        assert covariance is not None, "a fit has one"
        rows.append(np.einsum("ni,nij,nj->n", gaps, np.linalg.inv(covariance), gaps))
    return np.array(rows)


def _best_depth(rig: RigModel, target: Points, depth: float) -> float:
    """The inverse depth at which a rig's map comes closest to visible places of the grid, from one nearby."""
    grid, step = image_grid(THERMAL), 1e-5
    for _ in range(8):
        here = rig.at(depth).to_visible(grid)
        along = (rig.at(depth + step).to_visible(grid) - here) / step
        seen = np.isfinite(here + along + target).all(axis=1)
        depth += float((along[seen] * (target - here)[seen]).sum() / (along[seen] ** 2).sum())
    return depth


def _random_rig(rng: np.random.Generator) -> RigModel:
    translation = rng.normal(0, 1, 3) * (1, 1, 0.15)
    translation[rng.integers(2)] *= 0.3
    return RigModel(
        visible=_camera(VISIBLE, rng.normal(np.log(1.7), 0.2), rng.uniform((-0.2, 0), (0.05, 0.04))),
        thermal=_camera(THERMAL, rng.normal(np.log(2.2), 0.2), rng.uniform((-0.3, 0), (0.05, 0.06))),
        T_visible_thermal=Pose.from_vectors(
            rng.normal(0, 0.03, 3), translation / np.linalg.norm(translation)
        ),
    )


def _camera(size: Size, log_focal: float, radial: Float64) -> Camera:
    height, width = size
    focal = width / 2 * np.exp(log_focal)
    return Camera(
        size, np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]), radial
    )


def _frame(rig: RigModel, depth: float, rng: np.random.Generator) -> FrameMatches:
    size, count = np.array(THERMAL[::-1]), int(rng.integers(60, 257))
    offsets = rng.uniform(-0.5, 0.5, (count, 2)) * rng.uniform(0.25, 1.2) * size
    thermal = np.clip(rng.uniform((0, 0), size) + offsets, 0, size - 1)
    rays = rig.thermal.unproject(thermal)
    slope = 1 + rays[:, :2] @ rng.normal(0, _RELIEF, 2)
    waves = _RELIEF * rng.normal(0, 0.5) * np.sin(7 * rays[:, 0] + rng.uniform(0, 2 * np.pi))
    pose = rig.T_visible_thermal
    points = rays @ pose.rotation.T + (depth * (slope + waves))[:, None] * pose.translation
    visible = rig.visible.project(points) + rng.normal(0, _NOISE_PX, (count, 2))
    bend = np.sin(thermal[:, ::-1] / 80 + rng.uniform(0, 2 * np.pi, 2))
    visible += _SHARED_PX * (rng.normal(0, 0.5, 2) + rng.normal(0, 0.75) * bend)
    wrong = rng.random(count) < _WRONG
    visible[wrong] = rng.uniform((0, 0), VISIBLE[::-1], (int(wrong.sum()), 2))
    return FrameMatches(thermal, visible)


def main() -> None:
    """Print the fractions for drives of some lengths."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--drives", type=int, default=50, metavar="N", help="Simulated drives of each length."
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[12, 36], metavar="N", help="Their lengths.")
    options = parser.parse_args()
    print("| frames | drives | nearest: centre | corners | farthest: centre | corners |")
    print("|---:|---:|---:|---:|---:|---:|")
    for frames in options.frames:
        held = np.array([within(simulate(frames, seed)) for seed in range(options.drives)]) < WITHIN_95
        near, far = held.mean(axis=0)
        cells = (100 * value for value in (near[0], near[1:].mean(), far[0], far[1:].mean()))
        print(f"| {frames} | {options.drives} | " + " | ".join(f"{cell:.1f} %" for cell in cells) + " |")


if __name__ == "__main__":
    main()
