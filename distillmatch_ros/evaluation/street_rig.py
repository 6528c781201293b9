"""A learned rig against the truth: ``python -m distillmatch_ros.evaluation.street_rig``.

A drive along the synthetic street, 8 cm between the cameras, lenses with k1 = -0.2. The rig is learned from
every second pair and judged on the others: by the true places of all thermal pixels, as the pairs' own
homographies are, and by its map's corner error at the depth of each pair.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros.evaluation.parallax import true_rig
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.estimation import fit_own
from distillmatch_ros.rig.evidence import judge
from distillmatch_ros.rig.learning import Observation, learn
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.uncertainty import image_grid, places
from distillmatch_ros.scene.pair import SyntheticPair
from distillmatch_ros.scene.view import Scene

BASELINE, K1 = 0.08, -0.2
_SPARSE = 8  # thermal pixels between those that are measured
_INTERVAL = 1.0  # seconds of driving between pairs


def corner_error(rig: RigModel, mapping: ImageMapping) -> float:
    """Mean distance of the corners from the true map at the inverse depth that comes closest.

    Args:
        rig: the true rig.
        mapping: the mapping to judge, of a plane that faces the thermal camera.

    Returns:
        Reference pixels.
    """
    grid = image_grid(rig.thermal.size)
    target = mapping.to_visible(grid)
    depth, step = 0.05, 1e-4
    for _ in range(12):
        here = rig.at(depth).to_visible(grid)
        along = (rig.at(depth + step).to_visible(grid) - here) / step
        seen = np.isfinite(here + along + target).all(axis=1)
        depth += float((along[seen] * (target - here)[seen]).sum() / (along[seen] ** 2).sum())
    corners = places(rig.thermal.size)[1:]
    gaps = mapping.to_visible(corners) - rig.at(depth).to_visible(corners)
    return float(np.hypot(*gaps.T).mean()) * REFERENCE_WIDTH / rig.visible.size[1]


def pixel_errors(pair: SyntheticPair, mapping: ImageMapping) -> Float64:
    """Distances of thermal pixels from their true places where both cameras see them, reference pixels."""
    height, width = pair.depth.shape
    rows, columns = np.mgrid[:height:_SPARSE, :width:_SPARSE].reshape(2, -1)
    gaps = mapping.to_visible(np.column_stack([columns, rows])) - pair.truth[rows, columns]
    errors: Float64 = np.hypot(*gaps.T) * REFERENCE_WIDTH / mapping.visible_size[1]
    return errors[np.isfinite(errors)]


def main() -> None:
    """Render, learn, and print errors and evidence."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--pairs", type=int, default=32, metavar="N", help="Pairs of the drive.")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="Seed of the street and the rig.")
    parser.add_argument("--given", action="store_true", help="Both lenses are known, as by CameraInfo.")
    parser.add_argument("--out", type=Path, metavar="DIR", help="Write the pairs, for calibrate.")
    options = parser.parse_args()
    scene = Scene(options.seed, baseline=BASELINE, k1=K1)
    pairs, observed = [], []
    with Registrar.open() as registrar:
        for number in range(options.pairs):
            pair = scene.render(_INTERVAL * number)
            pairs.append(pair)
            prepared = registrar.prepare(pair.visible, pair.thermal)
            observed.append(Observation.of(prepared, registrar.register_prepared(prepared)))
            if options.out is not None:
                for side, image in (("visible", pair.visible), ("thermal", pair.thermal)):
                    (options.out / side).mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(options.out / side / f"{number:03}.png"), image)
    truth = true_rig(pairs[0])
    thermal, visible = truth.thermal, truth.visible
    known = (thermal, visible) if options.given else (thermal.size, visible.size)
    learned = learn(observed[::2], known[0], known[1], shifted=False)
    judges = list(zip(pairs, observed, strict=True))[1::2]
    own = [pixel_errors(pair, seen.mapping) for pair, seen in judges if seen.mapping is not None]
    rig = [pixel_errors(pair, learned.register(seen)) for pair, seen in judges if seen.mapping is not None]
    depths = fit_own(learned.model, [seen.matches for _, seen in judges])[:, 2]
    corners = [corner_error(truth, learned.model.at(float(depth))) for depth in depths]
    print(f"px of 640, {len(own)} pairs left out: median (90 % within)")
    for name, errors in (
        ("pixels, by the pairs' own homographies", np.concatenate(own)),
        ("pixels, by the rig", np.concatenate(rig)),
        ("corners of the rig's map", np.array(corners)),
    ):
        print(f"{name}: {np.median(errors):.2f} ({np.percentile(errors, 90):.2f})")
    print(judge(observed, *known))


if __name__ == "__main__":
    main()
