"""The tracker against the truth it follows, the outliers it must not, and the priors it may give."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import corner_error, corners, from_corners, transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.stream.temporal import (
    Mode,
    TemporalFilter,
    TemporalSettings,
)

THERMAL, VISIBLE = (256, 320), (540, 960)
TRUTH = np.array([[2.1, 0.1, 120.0], [-0.05, 1.8, 30.0], [1e-4, 5e-5, 1.0]])
FRAME = SECOND // 10


def moved(x: float, y: float = 0.0) -> np.ndarray:
    """The truth after the visible camera was bumped by so many pixels."""
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]]) @ TRUTH


def registration(homography: np.ndarray | None = TRUTH, inliers: int = 100) -> Registration:
    points = np.ones((inliers, 2), np.float32)
    status = Status.FEW_INLIERS if homography is None else Status.OK
    mapping = None if homography is None else HomographyMapping(homography, THERMAL, VISIBLE)
    return Registration(
        points, points, points[:, 0], np.ones(inliers, np.bool_), mapping, status, {"engine": 3.0}
    )


class Drive:
    """Ten pairs a second through one tracker."""

    def __init__(self, **settings: object) -> None:
        self.tracker = TemporalFilter(TemporalSettings(**settings), THERMAL, VISIBLE)  # type: ignore[arg-type]
        self.stamp = 50 * SECOND

    def pair(self, found: Registration, primed: bool = False, after: int = FRAME) -> Registration:
        self.stamp += after
        return self.tracker.update(found, self.stamp, primed=primed)

    def next_prior(self) -> np.ndarray | None:
        return self.tracker.prior(self.stamp + FRAME)


def distance(found: Registration, truth: np.ndarray = TRUTH) -> float:
    """Greatest error of a thermal corner, reference pixels."""
    assert found.homography is not None, found.status
    return corner_error(found.homography, truth, THERMAL, VISIBLE)


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_four_corners_are_a_homography(shifts: list[float]) -> None:
    places = transform(TRUTH, corners(THERMAL)) + np.reshape(shifts, (4, 2))
    found = from_corners(places, THERMAL, VISIBLE)
    assert found[2, 2] == 1
    np.testing.assert_allclose(transform(found, corners(THERMAL)), places, atol=1e-8)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.RIG, Mode.HOLD])
def test_without_smoothing_pairs_that_agree_are_passed_on_unchanged(mode: Mode) -> None:
    drive = Drive(mode=mode)
    for found in (registration(), registration(moved(30)), registration()):
        assert drive.pair(found) is found


def test_tracked_pairs_follow_a_step_and_do_not_confirm_it() -> None:
    drive = Drive(confirmations=2)
    drive.pair(registration())
    step = registration(moved(150))
    followed = replace(step, status=Status.TRACKED)
    for found in (step, followed, followed, followed):
        assert drive.pair(found).status is Status.DEGENERATE
    assert drive.pair(step) is step and drive.pair(followed) is followed


def test_hold_fills_gaps_until_its_time_is_over() -> None:
    drive = Drive(mode=Mode.HOLD, hold_seconds=0.5)
    rejected = registration(None, inliers=7)
    assert drive.pair(rejected).homography is None  # there is nothing to hold yet
    assert drive.pair(registration()).status is Status.OK
    for _ in range(5):
        held = drive.pair(rejected)
        assert held.status is Status.HELD
        np.testing.assert_array_equal(held.homography, TRUTH)
        assert (len(held.inliers), held.latency_ms) == (7, {"engine": 3.0})
    over = drive.pair(rejected)
    assert (over.status, over.homography) == (Status.FEW_INLIERS, None)
    assert drive.pair(registration()).status is Status.OK


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.HOLD])
def test_smoothing_calms_noise(mode: Mode) -> None:
    random = np.random.default_rng(0)
    drive = Drive(mode=mode, smoothing=1.0)
    raw, smooth = [], []
    for _ in range(60):
        places = transform(TRUTH, corners(THERMAL)) + random.normal(0, 4, (4, 2))
        found = registration(from_corners(places, THERMAL, VISIBLE))
        raw.append(distance(found))
        filtered = drive.pair(found)
        assert filtered.status is Status.OK
        smooth.append(distance(filtered))
    assert np.mean(smooth[20:]) < 0.4 * np.mean(raw[20:])


def test_smoothing_begins_with_a_running_mean() -> None:
    drive = Drive(smoothing=10.0)
    for x in (36, 0, 0, 0):
        found = drive.pair(registration(moved(x)))
    np.testing.assert_allclose(distance(found, moved(9)), 0, atol=1e-6)


def test_jumps_are_measured_in_reference_pixels() -> None:
    drive = Drive(mode=Mode.HOLD, max_jump_px=40.0)
    assert VISIBLE[1] == 1.5 * 640
    assert [drive.pair(registration(moved(x))).status for x in (0, 59, -2)] == [
        Status.OK,
        Status.OK,
        Status.DEGENERATE,
    ]


def test_smoothing_goes_by_stamps_not_by_pairs() -> None:
    def after(rate: int) -> float:
        drive = Drive(smoothing=1.0)
        for _ in range(6 * rate):
            drive.pair(registration(), after=SECOND // rate)
        for _ in range(rate):
            found = drive.pair(registration(moved(30)), after=SECOND // rate)
        return distance(found, moved(30))

    assert after(30) == pytest.approx(20 / np.e, rel=0.05)
    assert after(5) == pytest.approx(20 / np.e, rel=0.05)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.RIG, Mode.HOLD])
@given(st.lists(st.integers(2, 12).map(lambda shift: 150 * shift), max_size=2), st.integers(0, 10))
def test_single_wrong_frames_never_get_out(mode: Mode, smoothing: float, wrong: list[int], good: int) -> None:
    drive = Drive(mode=mode, smoothing=smoothing, confirmations=3)
    for _ in range(1 + good):
        drive.pair(registration())
    for shift in wrong:
        found = drive.pair(registration(moved(shift)))
        assert (found.status, found.homography) == (Status.DEGENERATE, None)
        reason = found.rejected_by
        assert reason is not None and (reason.threshold, reason.limit) == ("max_jump_px", 40.0)
        assert reason.value is not None and reason.value > 40
        assert drive.pair(registration(None)).status is Status.FEW_INLIERS  # nothing is held from then on
        assert len(found.visible_points) == 100
    assert distance(drive.pair(registration())) < 1e-6


def test_a_bumped_bracket_is_followed_once_confirmed() -> None:
    drive = Drive(mode=Mode.HOLD, smoothing=0.5, confirmations=3)
    for _ in range(20):
        drive.pair(registration())
    statuses = []
    for x in (150, 152, 149):
        found = drive.pair(registration(moved(x)))
        statuses.append(found.status)
    assert statuses == [Status.DEGENERATE, Status.DEGENERATE, Status.OK]
    assert distance(found, moved(149)) < 1e-6
    assert distance(drive.pair(registration(moved(150))), moved(150)) < 1


def test_outliers_that_contradict_each_other_confirm_nothing() -> None:
    drive = Drive(mode=Mode.HOLD, hold_seconds=60.0)
    drive.pair(registration())
    for shift in (200, 400, 200, 400, 200, 400):
        assert drive.pair(registration(moved(shift))).status is Status.DEGENERATE


def test_an_agreeing_pair_takes_confirmations_back() -> None:
    drive = Drive(mode=Mode.HOLD, confirmations=2)
    for shift in (0, 200, 0, 200, 0):
        drive.pair(registration(moved(shift)))
    assert drive.pair(registration(moved(200))).status is Status.DEGENERATE


def test_prior_is_given_while_pairs_agree_and_verified_every_few() -> None:
    drive = Drive(verify_every=4)
    primed = []
    for _ in range(13):
        prior = drive.next_prior()
        primed.append(prior is not None)
        drive.pair(registration(), primed=primed[-1])
    assert primed == [False, True, True, True] * 3 + [False]
    never = Drive(verify_every=1)
    never.pair(registration())
    assert never.next_prior() is None


@pytest.mark.parametrize(
    "doubtful",
    [registration(None), registration(moved(200)), registration(inliers=49)],
    ids=["rejected", "jump", "inliers fell"],
)
def test_doubt_ends_the_prior(doubtful: Registration) -> None:
    drive = Drive()
    drive.pair(registration())
    assert drive.next_prior() is not None
    drive.pair(doubtful, primed=True)
    assert drive.next_prior() is None
    drive.pair(registration())
    assert drive.next_prior() is not None


def test_a_prior_that_confirms_itself_is_found_out() -> None:
    """The rig moved, but whatever starts from the prior finds the prior again."""
    drive = Drive(mode=Mode.HOLD, verify_every=5, confirmations=3)
    drive.pair(registration())
    outcome = []
    for _ in range(12):
        prior = drive.next_prior()
        found = drive.pair(registration(moved(150) if prior is None else prior), primed=prior is not None)
        outcome.append(None if found.homography is None else round(distance(found, moved(150))))
    assert outcome == [100] * 4 + [None] * 2 + [0] * 6


def test_slow_drift_is_followed() -> None:
    drive = Drive(smoothing=0.3)
    for step in range(100):
        found = drive.pair(registration(moved(2.0 * step)))
    assert found.status is Status.OK
    assert distance(found, moved(198)) < 8


def test_time_that_jumps_back_starts_anew() -> None:
    drive = Drive(mode=Mode.HOLD, hold_seconds=60.0)
    drive.pair(registration())
    assert drive.pair(registration(None), after=-20 * SECOND).homography is None
    assert drive.pair(registration(moved(300))).status is Status.OK
    assert drive.tracker.prior(drive.stamp - SECOND) is None


def test_long_gaps_start_anew() -> None:
    drive = Drive(mode=Mode.HOLD)
    drive.pair(registration())
    assert drive.tracker.prior(drive.stamp + 6 * SECOND) is None
    assert drive.pair(registration(moved(300)), after=6 * SECOND).status is Status.OK


def test_last_expires_in_every_mode() -> None:
    drive = Drive(hold_seconds=2.0)
    assert drive.tracker.last(drive.stamp) is None
    drive.pair(registration())
    held = drive.tracker.last(drive.stamp + 2 * SECOND)
    assert held is not None and np.array_equal(held.homography, TRUTH)
    assert drive.tracker.last(drive.stamp + 2 * SECOND + 1) is None
