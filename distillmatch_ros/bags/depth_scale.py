"""The scale of a calibrated rig, by depth that its drives were recorded with."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from distillmatch_ros.bags.processing import BagJob, process_bag
from distillmatch_ros.bags.rig_learning import read_depth
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.learning import LearnedRig, Observation, evenly
from distillmatch_ros.rig.scale import MOST, Scale, ScaleEstimate, match_depth
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode

ENOUGH = 20
"""Pairs that tell the distance of the cameras of which no more are read."""


def scale_by_depth(
    jobs: Iterable[BagJob],
    rig: LearnedRig,
    registrar: Registrar,
    parameters: Parameters,
    on_frame: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Scale:
    """The distance of a rig's cameras, from a pair a second of its drives.

    Args:
        jobs: the drives, with the topic of the depth.
        rig: what was calibrated, without a scale.
        registrar: open registrar; its network is not run.
        parameters: how frames are paired, and where a depth sensor with a frame of its own is.
        on_frame: called for each visible frame.
        stop: asked whether to end early.

    Raises:
        DistillMatchError: see `process_bag`; or depth does not tell the distance.
    """
    settings = parameters.stream.replace(mode=Mode.FIXED, baseline_m=0.0)
    stream = Stream(registrar, settings, rig)

    def is_enough() -> bool:
        return stop() or (stream.scale is not None and stream.scale.is_known and stream.scale.pairs >= ENOUGH)

    unused: set[str] = set()
    for job in jobs:
        if is_enough():
            break
        process_bag(
            job,
            stream,
            parameters,
            on_frame=on_frame,
            on_result=lambda result: unused.update(result.unused.values()),
            stop=is_enough,
        )
    return _believed(stream.scale, "give --baseline-m", unused)


def scale_of_files(
    rig: LearnedRig,
    pairs: Sequence[PairPaths],
    depth: Path,
    visible_from_thermal: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Scale:
    """The distance of a rig's cameras, from pairs of image files with depth; no network is needed.

    Pairs of which a file cannot be read are left out.

    Args:
        rig: without a scale.
        pairs: at most `MOST` of them are used, evenly spread.
        depth: folder of depth images, see `read_depth`.
        visible_from_thermal: see `match_files`.
        max_pixels: see `match_files`.

    Raises:
        DistillMatchError: depth does not tell the distance.
    """
    estimate = ScaleEstimate()
    unused: set[str] = set()
    for index in evenly(len(pairs), MOST):
        try:
            visible, thermal = read_pair(pairs[index], visible_from_thermal, max_pixels)
            rig.check(thermal.shape[:2], visible.shape[:2])
            measured = read_depth(depth, pairs[index].visible, visible.shape[:2])
        except DistillMatchError as error:
            unused.add(str(error))
            continue
        pair = PreparedPair.of(visible, thermal)
        seen = Observation.of(pair, Registration.without_matches(Status.FIXED, None, {}))
        known = estimate.scale(rig.model)
        metres = None if known is None else known.metres
        found = match_depth(seen.visible, seen.thermal, rig.register(seen), measured, metres)
        if found is not None:
            estimate.add(found)
    remedy = "make the rig with `distillmatch calibrate --baseline-m`"
    return _believed(estimate.scale(rig.model), remedy, unused)


def _believed(scale: Scale | None, remedy: str, unused: Collection[str]) -> Scale:
    """A scale that is known; raises DistillMatchError with the reasons why depth was not used."""
    if scale is None or not scale.is_known:
        found = "too few pairs have depth and edges" if scale is None else str(scale)
        raise DistillMatchError(
            f"--depth: it does not tell the distance of the cameras ({found}); record near things for ten "
            f"seconds and more, check depth and its unit, or {remedy}",
            *sorted(unused),
        )
    return scale
