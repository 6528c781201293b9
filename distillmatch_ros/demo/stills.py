"""A synthetic street by day and by night, registered and measured against the known geometry."""

from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.bags.image_files import PairResult, match_files
from distillmatch_ros.base.files import write_bytes
from distillmatch_ros.demo.truth import TruePoints
from distillmatch_ros.images.files import encode_file
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.scene import SyntheticPair, render_pair


@dataclass(frozen=True)
class Still:
    """One scene.

    Attributes:
        name: ``day`` or ``night``.
        result: registration and the files written.
        rms_px: RMS error of the homography, visible pixels; None without a homography.
        best_rms_px: smallest RMS error that any homography reaches, visible pixels.
    """

    name: str
    result: PairResult
    rms_px: float | None
    best_rms_px: float


def register_stills(registrar: Registrar, out: Path, seed: int = 0) -> tuple[Still, ...]:
    """Render the scenes, register them and write their images.

    ``out`` becomes a pairs folder: visible/NAME.png and thermal/NAME.png (16-bit readings); beside these
    folders NAME_overlay.png, NAME_matches.png, NAME_registered.png and NAME_mask.png are written.

    Raises:
        DistillMatchError: ``out`` cannot be written.
    """
    scenes = {name: render_pair(seed, night=name == "night") for name in ("day", "night")}
    paths = [write_pair(out, name, pair) for name, pair in scenes.items()]
    results = match_files(registrar, paths, out)
    return tuple(
        _measured(name, TruePoints.of(pair), result)
        for (name, pair), result in zip(scenes.items(), results, strict=True)
    )


def _measured(name: str, truth: TruePoints, result: PairResult) -> Still:
    homography = None if result.registration is None else result.registration.homography
    found = None if homography is None else truth.rms_px(homography)
    return Still(name, result, found, truth.best_rms_px())


def write_pair(out: Path, name: str, pair: SyntheticPair) -> PairPaths:
    paths = []
    for side, image in (("visible", pair.visible), ("thermal", pair.thermal)):
        path = out / side / f"{name}.png"
        write_bytes(path, encode_file(image, ".png"))
        paths.append(path)
    return PairPaths.of(*paths)
