"""Comparison of the backends of one machine with a reference, by default float32 on the CPU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.onnx import open_on_cpu
from distillmatch_ros.engines.onnx_file import OnnxFile, half_path
from distillmatch_ros.engines.protocol import BackendMissingError, Engine, EngineInfo
from distillmatch_ros.engines.registry import NAMES, RUNTIMES, check_backend, ranked
from distillmatch_ros.geometry.homography import Size, corner_error, resize_matrix, transform
from distillmatch_ros.registration.registrar import SHIPPED_MODEL, Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.scene import render_pair

STEPS = len(RUNTIMES) + 1
"""Number of runtimes that `verify` tries: the half-precision graph counts as one of its own."""

Pair = tuple[NDArray[Any], NDArray[Any]]
Open = Callable[[], Engine]

# Matches whose points are this near in both images, network pixels, count as the same: half a coarse cell.
SAME_PLACE_PX = 4


@dataclass(frozen=True)
class Limits:
    """Allowed deviation of a backend from the reference.

    Attributes:
        found: least fraction of the reference's matches that it finds too.
        points_px: greatest median distance between the points of the same match, network pixels.
        confidence: greatest median difference of its confidence.
        corners_px: greatest median (over the pairs) corner error between the homographies, pixels of a
            visible image 640 px wide.
    """

    found: float
    points_px: float
    confidence: float
    corners_px: float


LIMITS = {
    "fp32": Limits(0.98, 0.01, 0.001, 0.1),
    "fp16": Limits(0.90, 0.1, 0.02, 1.0),
    "bf16": Limits(0.85, 0.1, 0.05, 1.0),
    "int8": Limits(0.80, 0.2, 0.05, 1.0),
}
"""Limits by precision, the finest first; of two compared precisions the coarser one applies."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of one backend with the reference.

    Attributes:
        backend: name of the backend.
        info: its network and device; None if it did not open.
        found: see `Limits`, also for the next three; None if nothing could be compared.
        same_status: pairs that both accepted or both rejected.
        pairs: number of pairs.
        faults: figures beyond the limits, or why it did not open; empty if the backend is fine.
    """

    backend: str
    info: EngineInfo | None
    found: float | None
    points_px: float | None
    confidence: float | None
    corners_px: float | None
    same_status: int
    pairs: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    Attributes:
        reference: the reference network and device.
        compared: every other available backend.
        absent: unavailable backends and the reasons.
    """

    reference: EngineInfo
    compared: tuple[Comparison, ...]
    absent: dict[str, str]


def verify(
    model: Path | None = None,
    pairs: Sequence[Pair] = (),
    threads: int | None = None,
    backend: str = "onnx",
    on_backend: Callable[[], None] = lambda: None,
) -> Verification:
    """Run every available backend on the same pairs.

    Args:
        model: an ONNX file; the shipped one by default. Its half-precision graph and its weights are found
            beside it, its TensorRT engine in the cache.
        pairs: visible and thermal images; rendered streets if empty.
        threads: CPU threads.
        backend: the reference, one of `NAMES`; ``onnx`` is the float32 network on the CPU.
        on_backend: called when each of `STEPS` is done, for a progress bar.

    Raises:
        DistillMatchError: the reference is unknown, or cannot be opened.
    """
    check_backend(backend, NAMES)
    path = model or resources.find(SHIPPED_MODEL)
    images = list(pairs) or rendered_pairs()
    *_, chosen = ranked(backend)
    reference = chosen.open(path, threads)
    others: dict[str, Open] = {"ONNX Runtime, half precision": lambda: _open_half(path, threads)}
    others |= {row.label: partial(row.open, path, threads) for row in RUNTIMES if row is not chosen}
    expected = register_all(reference, images)
    on_backend()
    compared, absent = [], {}
    for name, opener in others.items():
        try:
            engine = opener()
        except BackendMissingError as error:
            absent[name] = str(error)
        except DistillMatchError as error:
            compared.append(Comparison(name, None, None, None, None, None, 0, len(images), (str(error),)))
        else:
            compared.append(
                compare(name, engine.info, reference.info, register_all(engine, images), expected, images)
            )
            engine.close()
        on_backend()
    return Verification(reference.info, tuple(compared), absent)


def rendered_pairs() -> list[Pair]:
    """Visible and thermal images of two streets by day and at night."""
    scenes = (render_pair(seed, night=night) for seed in (0, 1) for night in (False, True))
    return [(scene.visible, scene.thermal) for scene in scenes]


def _open_half(path: Path, threads: int | None) -> Engine:
    """Open the half-precision graph of a network in ONNX Runtime on the CPU."""
    half = OnnxFile.read(path).in_half()
    if half is None:
        raise BackendMissingError(f"{half_path(path)}: no half-precision graph of these weights")
    return open_on_cpu(half.path, threads)


@dataclass(frozen=True)
class Registered:
    """An engine's results on one pair: the registration of a single pass, and of up to two passes."""

    single: Registration
    full: Registration


def register_all(engine: Engine, images: Sequence[Pair]) -> list[Registered]:
    """Register pairs with a single pass, and with up to two."""
    once, twice = Registrar(engine, passes=1), Registrar(engine)
    return [Registered(once.register(*pair), twice.register(*pair)) for pair in images]


def compare(
    backend: str,
    info: EngineInfo,
    reference: EngineInfo,
    found: list[Registered],
    expected: list[Registered],
    images: Sequence[Pair],
) -> Comparison:
    """Compare a backend's registrations with those of the reference, pair by pair.

    Args:
        backend: its name.
        info: its network and device.
        reference: network and device of the reference.
        found: its registrations.
        expected: those of the reference.
        images: the pairs.
    """
    network = (reference.height, reference.width)
    places = [
        _same_matches(ours.single, theirs.single, pair, network)
        for ours, theirs, pair in zip(found, expected, images, strict=True)
    ]
    matches = sum(len(theirs.single.confidence) for theirs in expected)
    points = np.concatenate([place[0] for place in places])
    confidence = np.concatenate([place[1] for place in places])
    statuses = [ours.full.status is theirs.full.status for ours, theirs in zip(found, expected, strict=True)]
    corners = [
        corner_error(ours.full.homography, theirs.full.homography, _size(pair[1]), _size(pair[0]))
        for ours, theirs, pair in zip(found, expected, images, strict=True)
        if ours.full.homography is not None and theirs.full.homography is not None
    ]
    figures = {
        "found": len(points) / matches if matches else None,
        "points_px": float(np.median(points)) if len(points) else None,
        "confidence": float(np.median(confidence)) if len(points) else None,
        "corners_px": float(np.median(corners)) if corners else None,
    }
    coarser = max((info.precision, reference.precision), key=list(LIMITS).index)
    faults = _faults(figures, LIMITS[coarser])
    if not matches:
        faults.append("the reference itself finds no matches on these pairs; choose others")
    if info.weights_hash != reference.weights_hash:
        faults.append("runs other weights")
    if not all(statuses):
        faults.append(f"{len(statuses) - sum(statuses)} of {len(statuses)} pairs end with another status")
    return Comparison(
        backend, info, **figures, same_status=sum(statuses), pairs=len(statuses), faults=tuple(faults)
    )


def _faults(figures: dict[str, float | None], limits: Limits) -> list[str]:
    faults = []
    for name, figure in figures.items():
        limit = getattr(limits, name)
        beyond = figure is not None and (figure < limit if name == "found" else not figure <= limit)
        if beyond:
            faults.append(f"{name} is {figure:.3g}, the limit is {limit:g}")
    return faults


def _same_matches(
    ours: Registration, theirs: Registration, images: Pair, network: Size
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances between the points (network pixels) and between the confidences of the common matches."""
    found, expected = (_places(registration, images, network) for registration in (ours, theirs))
    if not len(found) or not len(expected):
        return np.zeros(0), np.zeros(0)
    # The order may differ where confidences are equal: matches are assigned to the nearest one.
    gaps = np.abs(expected[:, None] - found[None]).max(axis=2)
    nearest = gaps.argmin(axis=1)
    same = gaps[np.arange(len(expected)), nearest] < SAME_PLACE_PX
    between = expected[same] - found[nearest[same]]
    distances = np.hypot(between[:, 0::2], between[:, 1::2]).max(axis=1)
    return distances, np.abs(theirs.confidence[same] - ours.confidence[nearest[same]]).astype(np.float64)


def _places(registration: Registration, images: Pair, network: Size) -> NDArray[np.float64]:
    """Matches as visible and thermal points in network pixels, float64 (N, 4)."""
    sides = zip((registration.visible_points, registration.thermal_points), images, strict=True)
    return np.hstack([transform(resize_matrix(_size(image), network), points) for points, image in sides])


def _size(image: NDArray[Any]) -> Size:
    return image.shape[0], image.shape[1]
