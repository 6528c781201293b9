"""The scale of rigs by the depth of their pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cli import run

from distillmatch_ros.bags.depth_scale import believed, scale_of_observations
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.parallax import DEPTHS, observation, true_rig
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.scene import SyntheticPair


def unit_rig(room: SyntheticPair) -> LearnedRig:
    return LearnedRig(true_rig(room), DEPTHS, shifted=False).with_baseline(1.0, {"scale": "assumed"})


def observed(room: SyntheticPair, pairs: int, factor: float = 1.0) -> list[Observation]:
    depth = (1 / (factor * room.visible_depth[::2, ::2])).astype(np.float16)
    return [replace(observation(room), measured=depth)] * pairs


@pytest.mark.slow  # edges of six pairs
def test_pairs_with_depth_tell_the_distance_of_the_cameras_of_a_known_rig(room: SyntheticPair) -> None:
    true = float(np.linalg.norm(true_rig(room).T_visible_thermal.translation))
    scale = scale_of_observations(unit_rig(room), observed(room, 6))
    assert scale is not None and scale.is_known and scale.metres == pytest.approx(true, rel=0.04)
    doubtful = unit_rig(room).model
    covariance = np.zeros((12, 12))
    covariance[1, 1] = 0.1**2
    unsure = replace(unit_rig(room), model=replace(doubtful, covariance=covariance))
    scale = scale_of_observations(unsure, observed(room, 6))
    assert scale is not None and scale.maps and not scale.is_known, "it is as uncertain as the focal length"


def test_pairs_without_depth_and_few_of_them_tell_nothing(room: SyntheticPair) -> None:
    assert scale_of_observations(unit_rig(room), [observation(room)] * 9) is None
    with pytest.raises(DistillMatchError, match="too few") as raised:
        believed(None, "give it", {"depth: its median would be 3000 m"})
    assert "3000 m" in str(raised.value)
    with pytest.raises(DistillMatchError, match=r"40\.0%"):
        believed(Scale(0.08, 0.4, 0.4, 9), "give it", ())


def test_two_scales_are_one_too_many(tmp_path: Path) -> None:
    done = run("calibrate", tmp_path / "a.mcap", "--baseline-m", 0.1, "--depth", "/depth")
    assert done.exit_code == 2 and "--depth" in done.output
