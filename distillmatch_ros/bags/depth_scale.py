"""The scale of a rig by the depth that its pairs were recorded with."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from distillmatch_ros.bags.rig_learning import read_depth
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.learning import LearnedRig, Observation, evenly
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.scale import MOST, ScaleEstimate, match_depth

_REASONS = 3  # that are told of those that many pairs may have


def scale_of_observations(rig: LearnedRig, pairs: Iterable[Observation]) -> Scale | None:
    """The scale of a known rig by pairs with depth; None if they are too few.

    Args:
        rig: without a scale.
        pairs: those without measured depth are left out.
    """
    estimate = ScaleEstimate()
    for pair in pairs:
        depth = pair.inverse_depth
        if depth is None:
            continue
        known = estimate.scale(rig.model)
        metres = None if known is None else known.metres
        found = match_depth(pair.visible, pair.thermal, rig.register(pair), depth, metres)
        if found is not None:
            estimate.add(found)
    return estimate.scale(rig.model)


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
    unused: set[str] = set()

    def observed() -> Iterator[Observation]:
        for index in evenly(len(pairs), MOST):
            try:
                visible, thermal = read_pair(pairs[index], visible_from_thermal, max_pixels)
                rig.check(thermal.shape[:2], visible.shape[:2])
                measured = read_depth(depth, pairs[index].visible, visible.shape[:2])
            except DistillMatchError as error:
                unused.add(str(error))
                continue
            pair = PreparedPair.of(visible, thermal).measured(measured)
            yield Observation.of(pair, Registration.without_matches(Status.FIXED, None, {}))

    return believed(
        scale_of_observations(rig, observed()),
        "make the rig with `distillmatch calibrate --baseline-m`",
        unused,
    )


def believed(scale: Scale | None, remedy: str, unused: Collection[str]) -> Scale:
    """A scale by which depth maps pixels.

    Args:
        scale: what was found, if anything.
        remedy: what to do instead.
        unused: why depth of pairs was not used.

    Raises:
        DistillMatchError: there is none, with some of these reasons.
    """
    if scale is None or not scale.maps:
        found = "too few pairs have depth and edges" if scale is None else str(scale)
        raise DistillMatchError(
            f"--depth: it does not tell the distance of the cameras ({found}); record near things for ten "
            f"seconds and more, check depth and its unit, or {remedy}",
            *sorted(unused)[:_REASONS],
        )
    return scale
