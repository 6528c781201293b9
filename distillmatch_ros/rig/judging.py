"""What passes of the network say about a rig that was learned from others."""

from collections.abc import Sequence

import numpy as np

from distillmatch_ros.geometry.homography import Float64, corner_error
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.passes import LIKELY
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.quality import distance_px, excess_px, left_px
from distillmatch_ros.rig.trust import EXCESS_PX, Judgement

_HOLDS = 0.8  # fraction of the judges that confirm a rig which holds


def mapped_by(rig: LearnedRig, observed: Observation, own: Float64) -> ImageMapping:
    """What a rig says of a pass's pair: by measured depth where there is some, since matches lie where that
    puts them and no plane comes close to all of a room; else by what the pair adds, see `LearnedRig.own`.
    """
    depth = observed.inverse_depth if rig.model.is_metric else None
    return rig.model.on_plane(own[:3], own[3:]) if depth is None else DepthMapping(rig.model, depth, own[:3])


def judge_by(
    rig: LearnedRig,
    observed: Observation,
    own: Float64,
    mapping: ImageMapping,
    probability: float | None,
    compares: bool,
) -> Judgement:
    """Judge a rig by a pass.

    Args:
        rig: the rig.
        observed: the pass, with a mapping.
        own: (5,), what its pair adds to the rig; see `LearnedRig.own`.
        mapping: what the rig says of the pair; see `mapped_by`.
        probability: that the pass is right; None if it is not known.
        compares: whether to ask which of the two mappings fits edges better, which takes time.
    """
    assert observed.mapping is not None, "a pass without a mapping judges nothing"
    if isinstance(mapping, DepthMapping):
        gap = off = distance_px(mapping, observed.matches)
    else:
        sizes = rig.model.thermal.size, rig.model.visible.size
        gap = corner_error(mapping.homography, observed.mapping.homography, *sizes)
        off = max(gap, rig.off_px(own, observed.mapping))
    likely = probability is None or probability >= LIKELY
    better = left_px(observed, mapping) < left_px(observed, observed.mapping) if compares else None
    excess = excess_px(mapping, observed.mapping, observed.matches)
    return Judgement(gap, off, float(own[2]), excess, likely, better)


def holds(judgements: Sequence[Judgement]) -> bool:
    """Whether passes confirm a rig: most agree, and it explains their matches about as well as they do."""
    excess = float(np.median([each.excess_px for each in judgements]))
    return excess <= EXCESS_PX and float(np.mean([each.agrees for each in judgements])) >= _HOLDS


def why_not(judgements: Sequence[Judgement]) -> str:
    """By how much passes differ from a rig that does not hold."""
    gap, excess = np.median([(each.gap_px, each.excess_px) for each in judgements], axis=0)
    agreeing = float(np.mean([each.agrees for each in judgements]))
    return (
        f"the last one is {gap:.1f} px from passes in the median, adds {excess:.1f} px to the distances of "
        f"their matches, and agrees with {agreeing:.0%} of the passes"
    )


def explains(rig: LearnedRig, passes: Sequence[Observation]) -> bool:
    """Whether a rig holds for the passes that it was learned from, by their matches."""
    owns = [(each, rig.by_matches(each)) for each in passes]
    return holds(
        [judge_by(rig, each, own, mapped_by(rig, each, own), None, compares=False) for each, own in owns]
    )
