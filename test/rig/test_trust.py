"""A rig is trusted by the passes that judged it, in their order: a few suffice, whatever came before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.rig.trust import AGREE_PX, MOST, Judgement, Trust


def judged(gap_px: float, likely: bool = True, excess_px: float = 5.0) -> Judgement:
    return Judgement(gap_px, gap_px, 0.04, excess_px, likely, None)


def after(*agreed: bool) -> float:
    trust = Trust()
    for each in agreed:
        trust = trust.after(judged(AGREE_PX * (0.5 if each else 1.5)))
    return trust.probability


def test_a_pass_that_is_off_and_probably_wrong_says_nothing() -> None:
    assert Trust(0.9).after(judged(100.0, likely=False)) == Trust(0.9)
    assert Trust(0.9).after(judged(1.0, likely=False)).probability > 0.9


def test_a_pass_whose_matches_the_rig_explains_as_well_says_nothing_unless_it_is_far_off() -> None:
    assert Trust(0.9).after(judged(1.5 * AGREE_PX, excess_px=1.0)) == Trust(0.9)
    assert Trust(0.9).after(judged(3 * AGREE_PX, excess_px=1.0)).probability < 0.9


def test_a_rig_that_its_judges_confirm_is_trusted_at_once() -> None:
    assert after(True, True, True, True, True) == MOST
    assert after(True, True, False, True, True) == MOST
    assert 0.9 < after(True) < MOST


def test_what_doubts_a_rig_is_weighed_against_what_was_known_before_it() -> None:
    trust = Trust(0.9, 0.9).after(judged(100.0)).after(judged(100.0))
    assert trust.undoubted == 0.9 and trust.probability < 0.1
    again = trust.after(judged(1.0))
    assert again.undoubted == again.probability


def test_two_passes_against_it_suffice_whatever_came_before() -> None:
    for before in (5, 500):
        assert 0.5 < after(*[True] * before, False) < 0.9
        assert after(*[True] * before, False, False) < 0.35
    assert after(*[True] * 5, *[False] * 500, True, True, True) > 0.9


@given(st.lists(st.booleans(), max_size=50))
def test_it_is_never_certain_and_each_pass_moves_it_towards_what_it_says(agreed: list[bool]) -> None:
    found = after(*agreed)
    assert 1 - MOST <= found <= MOST
    assert after(*agreed, True) >= found >= after(*agreed, False)
    assert after(*agreed, True, False) == pytest.approx(found) or max(found, 1 - found) > 0.8
