"""Passes that agree with each other and not with the rig: a knock, or a depth that was not seen before."""

from dataclasses import replace

import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.knocks import KNOCKS, OFFS, ZOOMS, Off, Offs, at_other_depths
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.trust import Judgement
from test.support.simulated_rig import RIG, THERMAL, VISIBLE

KNOWN = LearnedRig(RIG, (0.0, 0.08), False)
BLANK = np.zeros((1, 1), np.uint8)
NOTHING = FrameMatches(np.zeros((0, 2)), np.zeros((0, 2)))


def off(down_px: float, off_px: float = 40.0, inverse_depth: float = 0.04, gap_px: float = 40.0) -> Off:
    """A pass that found the thermal image so many rows lower."""
    moved = np.array([[1, 0, 0], [0, 1, down_px], [0, 0, 1.0]])
    mapping = HomographyMapping(moved @ RIG.at(0.04).homography, THERMAL, VISIBLE)
    judgement = Judgement(gap_px, off_px, inverse_depth, 0.0, True, None)
    return Off(Observation(BLANK, BLANK, NOTHING, mapping), judgement)


def test_a_zoom_is_believed_sooner() -> None:
    centre = (VISIBLE[1] - 1) / 2, (VISIBLE[0] - 1) / 2
    zoom = np.array([[1.2, 0, -0.2 * centre[0]], [0, 1.2, -0.2 * centre[1]], [0, 0, 1.0]])
    zoomed = HomographyMapping(zoom @ RIG.at(0.04).homography, THERMAL, VISIBLE)
    offs, each = Offs(), off(60)
    zoomed_off = replace(each, observed=replace(each.observed, mapping=zoomed))
    found = [len(offs.add(zoomed_off, KNOWN)) for _ in range(ZOOMS)]
    assert found == [0] * (ZOOMS - 1) + [ZOOMS]


def test_wrong_passes_between_do_not_hide_those_that_agree() -> None:
    offs, last = Offs(), off(61)
    for each in (off(60), off(-80), off(63), off(150)):
        assert not offs.add(each, KNOWN)
    agreeing = offs.add(last, KNOWN)
    assert len(agreeing) == KNOCKS and agreeing[-1] is last


def test_passes_that_are_off_by_less_need_to_be_more() -> None:
    offs = Offs()
    found = [len(offs.add(off(20, off_px=13.0), KNOWN)) for _ in range(OFFS)]
    assert found == [0] * (OFFS - 1) + [OFFS]


def test_a_pass_that_confirms_the_rig_ends_a_suspicion() -> None:
    offs = Offs()
    for _ in range(KNOCKS - 1):
        offs.add(off(60), KNOWN)
    offs.clear()
    assert not offs.add(off(60), KNOWN)


def test_passes_that_the_rig_explains_at_another_depth_are_no_knock() -> None:
    near = [off(0, inverse_depth=depth, gap_px=3.0) for depth in (0.3, 0.32, 0.31)]
    wider = at_other_depths(KNOWN, near)
    assert wider is not None and wider.inverse_depths == (0.0, 0.32)
    assert wider.model is KNOWN.model
    assert at_other_depths(KNOWN, [*near, off(0, inverse_depth=0.3, gap_px=12.0)]) is None
    behind_infinity = [off(0, inverse_depth=-0.2, gap_px=3.0)]
    assert at_other_depths(KNOWN, behind_infinity) is None


def test_a_pass_at_a_depth_that_is_not_likely_does_not_confirm() -> None:
    assert Judgement(3.0, 9.0, 0.04, 0.0, True, None).agrees
    near = Judgement(3.0, 30.0, 0.5, 0.0, True, None)
    assert near.contradicts and not near.agrees


def test_depths_at_which_a_camera_sees_nothing_are_not_likely() -> None:
    bent = replace(RIG, visible=replace(RIG.visible, distortion=np.array([-0.5, 0, 0, 0])))
    with pytest.raises(DistillMatchError):
        _ = bent.at(-5.0).homography
    everywhere = LearnedRig(bent, (-5.0, 0.1), False)
    assert everywhere.gap_px(HomographyMapping(bent.at(0.1).homography, THERMAL, VISIBLE)) < 640
