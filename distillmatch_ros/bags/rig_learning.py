"""The rig of a list of image files: learned from them, judged, and used to register them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.files import read_image, read_pair
from distillmatch_ros.images.pairs import PairPaths, list_images
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.evidence import Evidence, judge
from distillmatch_ros.rig.learning import MAX_FRAMES, LearnedRig, Observation, evenly, learn
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.quality import distance_px
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.scale import contradiction, left_by_depth_px, match_depth
from distillmatch_ros.rig.trust import AGREE_PX, FAR_PX


def learn_from_files(
    registrar: Registrar,
    pairs: Sequence[PairPaths],
    *,
    depth: Path | None = None,
    visible_from_thermal: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_pair: Callable[[], None] = lambda: None,
) -> tuple[LearnedRig, Evidence, int]:
    """Learn the rig of pairs of image files, and judge it on pairs left out.

    Images that cannot be read are left out.

    Args:
        registrar: open registrar.
        pairs: at most `MAX_FRAMES` of them are used, evenly spread.
        depth: see `read_depth`; the rig is in metres if it tells the scale.
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
            pair = registrar.prepare(*read_pair(pairs[index], visible_from_thermal, max_pixels))
            if depth is not None:
                with suppress(DistillMatchError):  # likewise
                    size = pair.visible.image.shape[:2]
                    pair = pair.measured(read_depth(depth, pairs[index].visible, size))
            observed.append(Observation.of(pair, registrar.register_prepared(pair)))
        except DistillMatchError:
            pass  # `match_files` reports it
        on_pair()
    sizes = {(each.thermal.shape, each.visible.shape) for each in observed}
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
    rig: LearnedRig,
    pair: PreparedPair,
    found: Registration,
    parallax: Parallax = Parallax.PLANE,
    depth: Float32 | None = None,
) -> tuple[Registration, str | None]:
    """A pair's registration with the rig's mapping, which the pair's own homography judges.

    Up to `AGREE_PX` from the rig at likely depths it confirms the rig's mapping, and its status and
    probability hold for it. Beyond `FAR_PX` one of the two is wrong: the pair is CONTRADICTED, as in a
    stream. Between the two, and without a homography of the pair's own, the mapping is FIXED: the pair did
    not confirm it. With depth, its matches judge in place of its homography, see `RigWatch`.
    Where edges contradict depth the plane's mapping is FIXED: depth is wrong, or the rig.

    Args:
        rig: the rig.
        pair: the images, as ``found`` was made of them.
        found: the pair's own registration.
        parallax: as a plane, or by regions around it.
        depth: inverse depth of the visible pixels, see `read_depth`; used instead of ``parallax``, by a rig
            that is known in metres.

    Returns:
        The registration, and why depth is not used; None if it is, or there is none.

    Raises:
        DistillMatchError: the images differ in size from the rig's, or the rig is not metric.
    """
    rig.check(pair.thermal.image.shape[:2], pair.visible.image.shape[:2])
    seen = Observation.of(pair, found)
    by_depth = None if depth is None else rig.by_depth(seen, depth)
    doubt = None if by_depth is None else _contradiction(seen, by_depth)
    gap = None
    if found.mapping is not None:
        gap = rig.gap_px(found.mapping) if by_depth is None else distance_px(by_depth, seen.matches)
        if gap > FAR_PX:
            return found.rejected(Rejection.of("rig", gap, FAR_PX)), doubt
    mapping: ImageMapping
    if by_depth is not None:
        mapping = by_depth if doubt is None else by_depth.on_plane
    else:
        mapping = rig.by_regions(seen) if parallax is Parallax.REGIONS else rig.register(seen)
    if gap is not None and gap <= AGREE_PX and doubt is None:
        return replace(found, mapping=mapping), None
    return replace(found, mapping=mapping, status=Status.FIXED, probability=None), doubt


def _contradiction(seen: Observation, by_depth: DepthMapping) -> str | None:
    """Why depth must not map a pair, see `contradiction`; None if it may."""
    edges = match_depth(seen.visible, seen.thermal, by_depth.on_plane, by_depth.inverse_depth)
    return None if edges is None else contradiction([(left_by_depth_px(by_depth.rig, edges), edges.plane_px)])


def read_depth(path: Path, visible: Path, size: Size) -> Float32:
    """Read the inverse depth of a visible image's pixels; see `registered`.

    Args:
        path: the depth image's file, or the folder that holds it under the name of the visible image.
        visible: the visible image's file.
        size: size of the visible image.

    Raises:
        DistillMatchError: it is missing, cannot be read, or is no depth of this image.
    """
    file = path
    if path.is_dir():
        named = [file for file in list_images(path) if file.stem == visible.stem]
        if not named:
            raise DistillMatchError(
                f"{path}: holds no depth image {visible.stem}; name it after the visible image"
            )
        file = named[0]
    return registered(read_image(file), size, str(file))
