"""Drives whose pairs are registered with a known truth: random shapes on a plane, seen by `RIG`."""

import numpy as np
from support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.geometry.mapping import HomographyMapping, ImageMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.stream.calibration import ImageFormat, PairFormat
from distillmatch_ros.stream.parameters import Parameters

FORMAT = PairFormat(ImageFormat(VISIBLE), ImageFormat(THERMAL))
FAR = RIG.at(0.0).homography


def registered(mapping: ImageMapping, seed: int, noise_px: float) -> Registration:
    rng = np.random.default_rng(seed)
    thermal = rng.uniform((0, 0), THERMAL[::-1], (120, 2))
    visible = mapping.to_visible(thermal) + rng.normal(0, noise_px, thermal.shape)
    own = HomographyMapping(mapping.homography, THERMAL, VISIBLE)
    points = visible.astype(np.float32), thermal.astype(np.float32)
    return Registration(*points, np.ones(120, np.float32), np.ones(120, bool), own, Status.OK, {})


def drives_of(mappings: list[ImageMapping], noise_px: float = 1.0) -> Drives:
    drives = Drives(Parameters())
    for seed, mapping in enumerate(mappings):
        visible = shapes(seed)
        found = registered(mapping, seed, noise_px)
        drives._add(visible, 255 - mapping.warp_visible(visible), FORMAT, found, seed * 10**9, "drive")
    return drives


def moved(x: float) -> HomographyMapping:
    shift = np.array([[1, 0, x], [0, 1, 0], [0, 0, 1.0]])
    return HomographyMapping(shift @ FAR, THERMAL, VISIBLE)
