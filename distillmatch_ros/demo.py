"""A synthetic street by day and by night, registered and measured against the known geometry."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.homography import Float64, transform
from distillmatch_ros.matching import PairResult, match_files
from distillmatch_ros.output import make_folder, writing
from distillmatch_ros.pairs import PairPaths
from distillmatch_ros.registration import Registrar
from distillmatch_ros.scene import SyntheticPair, render_pair


@dataclass(frozen=True)
class Errors:
    """Distances between where a homography puts the thermal pixels and where they truly are, visible pixels.

    Houses, road and people do not lie in one plane, so that no homography brings both figures to 0.
    """

    median_px: float
    p95_px: float


@dataclass(frozen=True)
class DemoPair:
    """One scene of the demo.

    Attributes:
        name: ``day`` or ``night``.
        result: the registration and its pictures.
        found: errors of the homography that was found, None without one.
        best: errors of the homography fitted to the truth: what the scene's depth leaves to any.
    """

    name: str
    result: PairResult
    found: Errors | None
    best: Errors


def run_demo(registrar: Registrar, out: Path, seed: int = 0) -> tuple[DemoPair, ...]:
    """Render the scenes, register them and write images and pictures.

    ``out`` becomes a pairs folder: visible/NAME.png, and thermal/NAME.png with 16-bit readings; beside them
    stand NAME_overlay.png, NAME_matches.png and NAME_registered.png.

    Raises:
        DistillMatchError: ``out`` cannot be written.
    """
    scenes = {name: render_pair(seed, night=name == "night") for name in ("day", "night")}
    paths = [_write_pair(out, name, pair) for name, pair in scenes.items()]
    results = match_files(registrar, paths, out)
    return tuple(
        _measured(name, pair, result) for (name, pair), result in zip(scenes.items(), results, strict=True)
    )


def errors(homography: Float64, truth: NDArray[np.float32]) -> Errors:
    """Errors of a homography over all thermal pixels whose place in the visible image is known.

    Args:
        homography: (3, 3), thermal to visible pixels.
        truth: float32 (H, W, 2), see `SyntheticPair`.
    """
    rows, columns = np.nonzero(np.isfinite(truth[..., 0]))
    placed = transform(homography, np.stack([columns, rows], axis=1).astype(np.float64))
    distance = np.hypot(*(placed - truth[rows, columns]).T)
    return Errors(float(np.median(distance)), float(np.percentile(distance, 95)))


def _measured(name: str, pair: SyntheticPair, result: PairResult) -> DemoPair:
    homography = None if result.registration is None else result.registration.homography
    found = None if homography is None else errors(homography, pair.truth)
    return DemoPair(name, result, found, errors(pair.homography, pair.truth))


def _write_pair(out: Path, name: str, pair: SyntheticPair) -> PairPaths:
    paths = []
    for side, image in (("visible", pair.visible), ("thermal", pair.thermal)):
        path = out / side / f"{name}.png"
        make_folder(path.parent)
        with writing(path):
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        paths.append(path)
    return PairPaths.of(*paths)
