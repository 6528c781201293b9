"""Pairing against an oracle that knows the whole streams, and against everything that clocks do."""

from collections.abc import Iterable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import Pair, PairCounts, Synchroniser
from distillmatch_ros.stream.waiting import Arrival, Reason

MS = 10**6
V, T = Sensor.VISIBLE, Sensor.THERMAL
Event = tuple[Sensor, int]
"""A frame, and its stamp."""


def feed(synchroniser: Synchroniser[int], events: Iterable[Event], start: int = 0) -> list[Pair[int]]:
    """Add frames, one a millisecond; the item is the frame's number."""
    pairs = []
    for number, (sensor, stamp) in enumerate(events, start):
        pairs += synchroniser.add(sensor, Arrival(stamp, number * MS, number))
        assert_counted(synchroniser.counts)
    return pairs


def stamps(pairs: Iterable[Pair[int]]) -> list[tuple[int, int]]:
    return [(pair.visible.stamp, pair.thermal.stamp) for pair in pairs]


def assert_counted(counts: PairCounts) -> None:
    """Every frame is in one place."""
    for sensor in MATCHED:
        gone = counts.paired + sum(counts.dropped[sensor].values())
        assert counts.received[sensor] == gone + counts.waiting[sensor]


def oracle(visible: list[int], thermal: list[int], tolerance: int) -> list[tuple[int, int]]:
    """All pairs, the nearest first; each is taken that crosses none and shares no frame with one."""
    taken: list[tuple[int, int]] = []
    for gap, v, t in sorted((abs(v - t), v, t) for v in visible for t in thermal):
        beside = all(
            (v < other_v and t < other_t) or (v > other_v and t > other_t) for other_v, other_t in taken
        )
        if gap <= tolerance and beside:
            taken.append((v, t))
    return sorted(taken)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Both sensors in order with jitter and losses, one ahead of the other by whatever the network does.

    The first interval of a sensor is its shortest: the promise that early answers rest on.
    """
    sensors: dict[Sensor, list[int]] = {}
    for sensor in MATCHED:
        shortest = draw(st.integers(1, 40))
        intervals = draw(st.lists(st.integers(shortest, 3 * shortest), max_size=25))
        sensors[sensor] = list(accumulate([draw(st.integers(0, 60)), shortest, *intervals]))
    order = draw(st.permutations([sensor for sensor, times in sensors.items() for _ in times]))
    queues = {sensor: iter(times) for sensor, times in sensors.items()}
    return [(sensor, next(queues[sensor])) for sensor in order]


@given(streams(), st.integers(0, 100))
def test_pairs_are_those_of_the_oracle_whatever_the_order_of_arrival(
    events: list[Event], tolerance: int
) -> None:
    synchroniser: Synchroniser[int] = Synchroniser(tolerance, depth=100)
    pairs = feed(synchroniser, events)
    pairs += synchroniser.flush()
    visible, thermal = ([stamp for sensor, stamp in events if sensor is wanted] for wanted in MATCHED)
    assert stamps(pairs) == oracle(visible, thermal, tolerance)
    assert all(pair.skew == pair.thermal.stamp - pair.visible.stamp for pair in pairs)
    counts = synchroniser.counts
    assert_counted(counts)
    assert counts.waiting == {V: 0, T: 0}
    assert set(counts.dropped[V]) | set(counts.dropped[T]) <= {Reason.UNMATCHED}


@given(
    st.lists(st.tuples(st.sampled_from(MATCHED), st.integers(0, 60).map(lambda tenths: tenths * 100 * MS))),
    st.integers(0, 500 * MS),
    st.integers(-2000 * MS, 2000 * MS),
    st.integers(1, 5),
)
def test_any_stream_is_counted_and_bounded(
    events: list[Event], tolerance: int, offset: int, depth: int
) -> None:
    synchroniser: Synchroniser[int] = Synchroniser(tolerance, offset, depth=depth)
    used: list[int] = []
    for number, (sensor, stamp) in enumerate(events):
        pairs = synchroniser.add(sensor, Arrival(stamp, number, number))
        assert_counted(synchroniser.counts)
        assert max(synchroniser.counts.waiting.values()) <= depth
        for pair in pairs:
            assert pair.skew == pair.thermal.stamp + offset - pair.visible.stamp
            assert abs(pair.skew) <= tolerance
            used += [pair.visible.item, pair.thermal.item]
        # Pairs that one frame completes are in order, whatever the clocks did before.
        assert stamps(pairs) == sorted(stamps(pairs))
    pairs = synchroniser.flush()
    used += [item for pair in pairs for item in (pair.visible.item, pair.thermal.item)]
    assert len(used) == len(set(used)) == 2 * synchroniser.counts.paired
    assert_counted(synchroniser.counts)
    assert synchroniser.counts.waiting == {V: 0, T: 0}


@given(st.integers(0, 16), st.lists(st.sampled_from("vt-"), max_size=40))
def test_steady_cameras_with_losses_do_not_wait(skew: int, lost: list[str]) -> None:
    """Within half an interval the pair goes out with its second frame, whatever was lost before."""
    synchroniser: Synchroniser[int] = Synchroniser(16 * MS)
    feed(synchroniser, [(V, 0), (T, 0), (V, 33 * MS), (T, 33 * MS)])
    for number, which in enumerate(lost, 2):
        time = 33 * MS * number
        if which != "v":
            synchroniser.add(V, Arrival(time, time, number))
        if which != "t":
            pairs = synchroniser.add(T, Arrival(time + skew * MS, time, number))
            assert stamps(pairs) == ([(time, time + skew * MS)] if which == "-" else [])


def test_best_partner_wins_over_the_first() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(25 * MS)
    feed(synchroniser, [(V, 0), (T, 20 * MS)])
    assert synchroniser.counts.paired == 0  # nothing is known of the visible camera's rate
    assert feed(synchroniser, [(V, 25 * MS)], start=2) == []  # nor of the thermal one's
    assert stamps(feed(synchroniser, [(T, 30 * MS)], start=3)) == [(25 * MS, 20 * MS)]
    assert synchroniser.counts.dropped[V] == {Reason.UNMATCHED: 1}


def test_equal_stamps_pair_at_tolerance_zero() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(0)
    pairs = feed(synchroniser, [(V, 5), (T, 5), (T, 10), (V, 11), (V, 20), (T, 20)])
    assert stamps(pairs) == [(5, 5), (20, 20)]


def test_thermal_offset_brings_clocks_together() -> None:
    behind = [event for n in range(90) for event in ((V, 33 * n * MS), (T, (33 * n - 5000) * MS))]
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    assert feed(synchroniser, behind) == []
    assert synchroniser.counts.dropped == {V: {Reason.UNMATCHED: 60}, T: {Reason.UNMATCHED: 90}}
    mended: Synchroniser[int] = Synchroniser(10 * MS, thermal_offset=5000 * MS)
    assert len(feed(mended, behind)) == 90


def test_by_arrival_ignores_stamps() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(5 * MS, by="arrival")
    pairs = []
    for n in range(5):
        pairs += synchroniser.add(V, Arrival(0, 33 * n * MS, n))
        pairs += synchroniser.add(T, Arrival(77, (33 * n + 2) * MS, n))
    assert [(pair.visible.item, pair.thermal.item, pair.skew) for pair in pairs] == [
        (n, n, 2 * MS) for n in range(5)
    ]


def test_late_frame_pairs_while_its_turn_has_not_passed() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    pairs = feed(synchroniser, [(V, 0), (T, 1), (V, 66 * MS), (V, 33 * MS), (T, 33 * MS), (T, 66 * MS)])
    assert stamps(pairs) == [(0, 1), (33 * MS, 33 * MS), (66 * MS, 66 * MS)]
    assert feed(synchroniser, [(T, 40 * MS)], start=6) == []
    assert synchroniser.counts.dropped == {V: {}, T: {Reason.LATE: 1}}


def test_the_same_stamp_again_is_dropped() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10)
    assert len(feed(synchroniser, [(V, 0), (V, 0), (T, 0), (T, 0), (V, 0)])) == 1
    assert synchroniser.counts.dropped == {V: {Reason.DUPLICATE_STAMP: 2}, T: {Reason.DUPLICATE_STAMP: 1}}


def drive(seconds: float = 3.0, begin: int = 0, lag: int = 3 * MS) -> list[Event]:
    times = range(begin, begin + round(seconds * 1000) * MS, 33 * MS)
    return [event for time in times for event in ((V, time), (T, time + lag))]


@pytest.mark.parametrize("straggler", [False, True], ids=["together", "straggler"])
def test_a_bag_played_three_times_pairs_every_time(straggler: bool) -> None:
    """Also when the last thermal frame of one round comes after the first visible one of the next."""
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    once = drive()
    events = once * 3
    if straggler:
        for end in (len(once), 2 * len(once)):
            events[end - 1], events[end] = events[end], events[end - 1]
    pairs = feed(synchroniser, events)
    assert len(pairs) >= len(events) // 2 - 4 * straggler
    lost = sum(sum(reasons.values()) for reasons in synchroniser.counts.dropped.values())
    assert lost <= 8 * straggler


def test_clock_reset_drops_what_waited() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    pairs = feed(synchroniser, [(V, 60_000 * MS), (V, 60_033 * MS), (V, 0), (T, 0)])
    assert stamps(pairs) == [(0, 0)]
    assert synchroniser.counts.dropped == {V: {Reason.CLOCK_RESET: 2}, T: {}}
    feed(synchroniser, [(T, 90_000 * MS), (V, 90_020 * MS)], start=4)
    synchroniser.reset()
    assert synchroniser.counts.waiting == {V: 0, T: 0}
    assert stamps(feed(synchroniser, [(V, 7), (T, 7)], start=6)) == [(7, 7)]


def test_one_camera_that_restarts_its_clock_takes_the_other_with_it() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    feed(synchroniser, [(V, 50_000 * MS), (V, 50_033 * MS), (V, 0)])
    assert synchroniser.counts.dropped[V] == {Reason.CLOCK_RESET: 2}
    waiting = Synchroniser[int](10 * MS)
    feed(waiting, [(T, 49_900 * MS), (V, 49_800 * MS), (V, 0)])
    assert waiting.counts.dropped == {V: {Reason.UNMATCHED: 1}, T: {Reason.CLOCK_RESET: 1}}


@pytest.mark.parametrize("jump", [2_000 * MS, 10**18])
def test_jump_forward_and_single_wrong_stamps_pass(jump: int) -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    feed(synchroniser, [*drive(), *drive(begin=jump + 3000 * MS)])
    assert synchroniser.counts.dropped == {V: {}, T: {}}
    for wrong in (0, 10**19):  # a header never filled in, and one filled with rubbish
        before = synchroniser.counts.paired
        begin = 2 * jump + 10_000 * MS
        good = drive(begin=begin)
        feed(synchroniser, [*good[:20], (T, wrong), *good[20:]])
        assert synchroniser.counts.paired - before >= len(good) // 2 - 2
        synchroniser.reset()


def test_a_silent_side_neither_grows_nor_stops_the_other() -> None:
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS, depth=30)
    feed(synchroniser, [*drive(), *((V, (3000 + 33 * n) * MS) for n in range(1800))])
    assert synchroniser.counts.waiting[V] == 30
    assert synchroniser.counts.dropped[V][Reason.OVERFLOW] >= 1700
    before = synchroniser.counts.paired
    feed(synchroniser, drive(begin=(3000 + 33 * 1800) * MS))
    assert synchroniser.counts.paired == before + 91
    assert synchroniser.counts.dropped[T] == {}


@pytest.mark.parametrize("sensor", MATCHED)
def test_a_frame_is_dropped_as_soon_as_the_other_side_has_passed_it(sensor: Sensor) -> None:
    other = T if sensor is V else V
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    feed(synchroniser, [(sensor, 0), (other, 9 * MS)])
    assert synchroniser.counts.waiting == {V: 1, T: 1}
    feed(synchroniser, [(other, 20 * MS)], start=2)
    assert synchroniser.counts.dropped[sensor] == {}  # 9 ms are within the tolerance
    feed(synchroniser, [(other, 21 * MS), (sensor, 50 * MS)], start=3)
    assert synchroniser.counts.paired == 1
    feed(synchroniser, [(other, 61 * MS)], start=5)
    assert synchroniser.counts.dropped[sensor] == {Reason.UNMATCHED: 1}


def test_thermal_at_nine_hertz_takes_the_nearest_of_thirty() -> None:
    thermal = [round((5 + n * 111.1) * MS) for n in range(50)]
    visible = [n * 33 * MS for n in range(170)]
    synchroniser: Synchroniser[int] = Synchroniser(20 * MS)
    pairs = feed(
        synchroniser, sorted([*((V, s) for s in visible), *((T, s) for s in thermal)], key=lambda e: e[1])
    )
    assert len(pairs) == 50
    for pair in pairs:
        assert abs(pair.skew) == min(abs(pair.thermal.stamp - stamp) for stamp in visible)


def test_one_early_burst_does_not_slow_pairing_for_ever() -> None:
    """An interval of 1 ms says that a frame may follow at once; later ones take the promise back."""
    synchroniser: Synchroniser[int] = Synchroniser(10 * MS)
    feed(synchroniser, [(V, 0), (V, 1 * MS), *drive(begin=33 * MS)])
    pairs = feed(synchroniser, [(V, 4000 * MS), (T, 4009 * MS)])
    assert stamps(pairs) == [(4000 * MS, 4009 * MS)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"tolerance": -1}, "negative"),
        ({"by": "name"}, "choose stamp or arrival"),
        ({"depth": 0}, "no frame"),
    ],
)
def test_wrong_settings_are_rejected(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason):
        Synchroniser(**{"tolerance": 0, **wrong})  # type: ignore[arg-type]
