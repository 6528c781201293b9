"""The scale of a calibrated rig, by depth that its drives were recorded with."""

from collections.abc import Callable, Iterable

from distillmatch_ros.bags.processing import BagJob, process_bag
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.scale import Scale
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
        process_bag(
            job,
            stream,
            parameters,
            on_frame=on_frame,
            on_result=lambda result: unused.update(result.unused.values()),
            stop=is_enough,
        )
    scale = stream.scale
    if scale is None or not scale.is_known:
        found = "too few pairs have depth" if scale is None else str(scale)
        raise DistillMatchError(
            f"--depth: it does not tell the distance of the cameras ({found}); record near things for ten "
            "seconds and more, check depth and its unit, or give --baseline-m",
            *sorted(unused),
        )
    return scale
