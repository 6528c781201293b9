"""Passes over different views that agree leave less doubt; the same view again tells nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.images.likeness import Look
from distillmatch_ros.rig.trust import MOST
from distillmatch_ros.stream.belief import Belief, displaced, in_stream, outweighed

VIEWS = [Look(np.random.default_rng(seed).integers(0, 256, (48, 64)).astype(np.uint8)) for seed in range(2)]
PROBABILITIES = st.floats(0.0, 1.0)


def test_each_other_view_halves_the_doubt_at_most() -> None:
    belief = Belief(0.8, VIEWS[0])
    once = belief.confirmed(0.9, VIEWS[1])
    twice = once.confirmed(0.4, VIEWS[0])
    assert once.probability == pytest.approx(0.9) and twice.probability == pytest.approx(0.94)
    for number in range(20):
        twice = twice.confirmed(0.8, VIEWS[number % 2])
    assert twice.probability == pytest.approx(MOST)


@given(PROBABILITIES, PROBABILITIES)
def test_the_same_view_again_says_nothing_new(before: float, again: float) -> None:
    assert Belief(before, VIEWS[0]).confirmed(again, VIEWS[0]).probability == max(before, again)


@given(PROBABILITIES, PROBABILITIES, st.floats(-1.0, 2.0))
def test_a_probability_stays_one_and_fades_with_the_edges(
    before: float, again: float, support: float
) -> None:
    belief = Belief(before, VIEWS[0]).confirmed(again, VIEWS[1])
    assert max(before, again) - 1e-9 <= max(belief.probability, before) <= 1
    assert 0 <= belief.faded(support) <= belief.probability + 1e-6
    assert belief.faded(1.0) == pytest.approx(belief.probability, abs=1e-6)


@given(PROBABILITIES, st.floats(0.0, 40.0), st.floats(0.0, 40.0))
def test_a_homography_is_less_probable_the_further_it_is_displaced(
    before: float, near: float, far: float
) -> None:
    near, far = sorted((near, far))
    assert displaced(before, 0.0) == pytest.approx(before)
    assert 0 <= displaced(before, far) <= displaced(before, near) + 1e-9
    assert displaced(MOST, 10.0) == pytest.approx(0.43, abs=0.01)
    assert displaced(before, 30.0) < 0.001


@given(PROBABILITIES, PROBABILITIES)
def test_a_pass_is_likelier_in_a_stream_and_never_certain(one: float, other: float) -> None:
    found = in_stream(one)
    assert min(one, MOST) - 1e-9 <= found <= MOST
    assert one > other or found <= in_stream(other) + 1e-9
    assert in_stream(0.5) == pytest.approx(10 / 11)


def test_of_two_mappings_that_contradict_each_other_the_likelier_one_keeps_what_the_other_leaves() -> None:
    assert outweighed(0.9, 0.9) == pytest.approx(0.5)
    assert outweighed(0.98, 0.5) == pytest.approx(0.98)
    rig, own = outweighed(0.98, 0.7), outweighed(0.7, 0.98)
    assert rig is not None and own is not None and rig > 0.9 and rig + own == pytest.approx(1)
    assert outweighed(None, 0.9) is None and outweighed(0.9, None) == 0.9
