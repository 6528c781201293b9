"""The rig of a list of image files: learned from them, judged, and used to register them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.evidence import Evidence, judge
from distillmatch_ros.rig.learning import MAX_FRAMES, LearnedRig, evenly, learn
from distillmatch_ros.rig.observing import observe


def learn_from_files(
    registrar: Registrar,
    pairs: Sequence[PairPaths],
    *,
    visible_from_thermal: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_pair: Callable[[], None] = lambda: None,
) -> tuple[LearnedRig, Evidence, int]:
    """Learn the rig of pairs of image files, and judge it on pairs left out.

    Images that cannot be read are left out.

    Args:
        registrar: open registrar.
        pairs: at most `MAX_FRAMES` of them are used, evenly spread.
        visible_from_thermal: see `match_files`.
        max_pixels: see `match_files`.
        on_pair: called after each of them, for a progress bar.

    Returns:
        The rig, with a shift of each frame if evidence is for it; the evidence, which may be against the rig;
        and the number of pairs.

    Raises:
        DistillMatchError: there are too few pairs, or their images differ in size.
    """
    observed = []
    for index in evenly(len(pairs), MAX_FRAMES):
        try:
            visible, thermal = read_pair(pairs[index], visible_from_thermal, max_pixels)
            observed.append(observe(visible, thermal, registrar.register(visible, thermal)))
        except DistillMatchError:
            pass  # `match_files` reports it
        on_pair()
    sizes = {(pair.thermal.shape, pair.visible.shape) for pair in observed}
    if len(sizes) > 1:
        raise DistillMatchError(
            f"rig: the images are of {len(sizes)} different sizes, but those of one rig are of one; "
            "list the pairs of each rig alone"
        )
    thermal_size, visible_size = next(iter(sizes), ((1, 1), (1, 1)))
    evidence = judge(observed, thermal_size, visible_size)
    rig = learn(observed, thermal_size, visible_size, shifted=evidence.kind == "rig with a shift")
    return rig, evidence, len(observed)


def by_rig(
    rig: LearnedRig, visible: NDArray[Any], thermal: NDArray[Any], found: Registration
) -> Registration:
    """A pair's registration with the rig's mapping. FIXED says that the pair alone did not confirm it.

    Raises:
        DistillMatchError: the images differ in size from the rig's.
    """
    rig.check(thermal.shape[:2], visible.shape[:2])
    mapping = rig.register(observe(visible, thermal, found))
    return replace(found, mapping=mapping, status=Status.FIXED if found.mapping is None else found.status)
