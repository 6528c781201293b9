"""The pictures of a registered pair on disk, and the point cloud of one with depth."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.files import write_bytes, writing
from distillmatch_ros.images.files import encode_file
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.cloud import ply, thermal_cloud
from distillmatch_ros.rig.parallax import DepthMapping, seen_mask
from distillmatch_ros.visualisation.overlay import draw_matches, draw_overlay

BACK = "visible_registered"
CLOUD = "cloud.ply"
REGISTERED = ("registered.png", "registered.tiff", "mask.png", f"{BACK}.png", f"{BACK}.tiff", CLOUD)
PICTURES = ("overlay.png", "matches.png", *REGISTERED)
"""Endings of the files that may be written for a pair, after its name and an underscore."""


def picture_paths(pairs: Sequence[PairPaths], out: Path) -> Iterator[Path]:
    """Paths of all files that `match_files` may write to a folder."""
    for name in picture_names(pairs):
        yield from (out / f"{name}_{ending}" for ending in PICTURES)


def picture_names(pairs: Sequence[PairPaths]) -> Iterator[str]:
    """Unique names for the outputs: the visible images' names, repeated ones with a number, in list order."""
    stems = [pair.visible.stem for pair in pairs]
    # Compared without case, since some file systems ignore it.
    reserved = {stem.casefold() for stem in stems}
    numbers: dict[str, Iterator[int]] = {}
    for stem in stems:
        key = stem.casefold()
        if key not in numbers:
            numbers[key] = count(2)
            yield stem
        else:
            yield next(f"{stem}-{number}" for number in numbers[key] if f"{key}-{number}" not in reserved)


def write_pictures(
    base: Path,
    visible: NDArray[Any],
    thermal: NDArray[Any],
    registration: Registration,
    temperature: Temperature | None = None,
) -> Iterator[Path]:
    """Write the pictures of a pair, and yield their paths; see `match_files`.

    Args:
        base: folder and name of the pair.
        visible: the visible image.
        thermal: the thermal image.
        registration: of both.
        temperature: see `match_files`.
    """
    # If this run rejects the pair, an earlier run's registered image must not remain.
    for ending in REGISTERED:
        with writing(base):
            base.with_name(f"{base.name}_{ending}").unlink(missing_ok=True)
    yield _write(base, "overlay.png", draw_overlay(visible, thermal, registration))
    yield _write(base, "matches.png", draw_matches(visible, thermal, registration))
    if (mapping := registration.mapping) is None:
        return
    heat = thermal if temperature is None else temperature.celsius(thermal)
    for name, warped in (
        ("registered", mapping.warp_thermal(heat)),
        (BACK, mapping.warp_visible(visible)),
    ):
        yield _write(base, f"{name}.{'png' if warped.dtype in (np.uint8, np.uint16) else 'tiff'}", warped)
    yield _write(base, "mask.png", seen_mask(mapping))
    if isinstance(mapping, DepthMapping) and mapping.has_points:
        path = base.with_name(f"{base.name}_{CLOUD}")
        write_bytes(path, ply(thermal_cloud(mapping, visible, heat)))
        yield path


def _write(base: Path, ending: str, picture: NDArray[Any]) -> Path:
    path = base.with_name(f"{base.name}_{ending}")
    write_bytes(path, encode_file(picture, path.suffix))
    return path
