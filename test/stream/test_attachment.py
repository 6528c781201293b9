"""Further sensors: each pair gets the frame that is nearest in time; none waits for a sensor that is off."""

from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.stream.attachment import Attachment, PairCollector
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.synchroniser import JUMP_BACK, Pair, Synchroniser
from distillmatch_ros.stream.waiting import Arrival

TOLERANCE = 20
TIMES = st.lists(st.integers(0, 400), max_size=20, unique=True).map(sorted)


def run(references: list[int], frames: list[int], delay: int) -> list[tuple[int, int | None]]:
    """Feed times in the order of arrival, frames ``delay`` late; the items with their frames."""
    attachment: Attachment[int, int] = Attachment(TOLERANCE, depth=50)
    events = [(time, 0, time) for time in references] + [(time + delay, 1, time) for time in frames]
    done: list[tuple[int, int | None]] = []
    for _, kind, time in sorted(events):
        done += attachment.add(time, time) if kind else attachment.attach(time, time)
    return done + attachment.flush()


@given(TIMES, TIMES)
def test_each_item_gets_the_nearest_frame(references: list[int], frames: list[int]) -> None:
    found = run(references, frames, delay=0)
    assert [item for item, _ in found] == references
    for item, frame in found:
        nearest = min((abs(other - item) for other in frames), default=TOLERANCE + 1)
        if nearest <= TOLERANCE:
            assert frame is not None
            assert abs(frame - item) == nearest
        else:
            assert frame is None


@given(TIMES, TIMES, st.integers(0, 300))
def test_late_frames_neither_reorder_items_nor_bring_wrong_frames(
    references: list[int], frames: list[int], delay: int
) -> None:
    found = run(references, frames, delay)
    assert [item for item, _ in found] == references
    assert all(frame is None or abs(frame - item) <= TOLERANCE for item, frame in found)


def test_a_frame_of_a_slow_sensor_serves_several_items() -> None:
    assert run([0, 10, 20, 30], [10], delay=0) == [(0, 10), (10, 10), (20, 10), (30, 10)]


def test_no_item_waits_for_a_sensor_that_is_off() -> None:
    attachment: Attachment[str, str] = Attachment(TOLERANCE)
    assert attachment.attach(0, "a") == []
    assert attachment.attach(TOLERANCE + 1, "b") == [("a", None)]


def test_nothing_is_attached_across_a_clock_that_is_set_back() -> None:
    attachment: Attachment[str, str] = Attachment(TOLERANCE)
    attachment.add(1000, "before")
    assert attachment.attach(1000, "a") == [("a", "before")]
    assert attachment.attach(5, "b") == []
    assert attachment.add(6, "after") == [("b", "after")]


def collect(depth: list[int], pairs: int = 4, period: int = 100) -> list[Pair[str]]:
    """Pairs of two cameras, and what a third sensor adds, in the order of their stamps."""
    synchroniser: Synchroniser[str] = Synchroniser(5)
    collector = PairCollector(synchroniser, {Sensor.DEPTH: TOLERANCE})
    events = [(period * index + later, sensor) for index in range(pairs) for later, sensor in CAMERAS]
    found = []
    for time, sensor in sorted([*events, *((time, Sensor.DEPTH) for time in depth)]):
        found += collector.add(sensor, Arrival(time, time, f"{sensor} {time}"))
    found += collector.flush(synchroniser.flush())
    missing = sum(Sensor.DEPTH not in pair.attached for pair in found)
    assert collector.missing == ({Sensor.DEPTH: missing} if missing else {})
    return found


CAMERAS = ((0, Sensor.VISIBLE), (2, Sensor.THERMAL))


def test_pairs_carry_the_nearest_frame_and_keep_their_order() -> None:
    found = collect([3, 95, 108, 290, 310])
    assert [pair.visible.stamp for pair in found] == [0, 100, 200, 300]
    depths = [pair.attached[Sensor.DEPTH].stamp if pair.attached else None for pair in found]
    assert depths == [3, 95, None, 290]
    assert list(found[0].arrivals) == [Sensor.VISIBLE, Sensor.THERMAL, Sensor.DEPTH]


@given(st.lists(st.integers(0, 400), max_size=30))
def test_no_pair_is_lost_or_comes_twice(depth: list[int]) -> None:
    assert [pair.visible.stamp for pair in collect(depth)] == [0, 100, 200, 300]


def test_a_sensor_whose_clock_is_set_back_is_attached_again() -> None:
    attachment: Attachment[int, int] = Attachment(TOLERANCE, depth=3)
    for time in range(3):
        attachment.add(10 * JUMP_BACK + time, time)
    attachment.add(50, 50)
    assert attachment.attach(50, 50) == [(50, 50)]


def test_after_a_reset_nothing_old_is_attached() -> None:
    collector: PairCollector[str] = PairCollector(Synchroniser(5), {Sensor.DEPTH: TOLERANCE})
    collector.add(Sensor.DEPTH, Arrival(0, 0, "old"))
    collector.reset()
    for _, sensor in CAMERAS:
        assert collector.add(sensor, Arrival(0, 0, str(sensor))) == []
    assert collector.add(Sensor.DEPTH, Arrival(15, 15, "new"))[0].attached[Sensor.DEPTH].item == "new"


def test_after_a_reset_no_image_of_before_finds_a_partner() -> None:
    collector: PairCollector[str] = PairCollector(Synchroniser(5), {})
    collector.add(Sensor.VISIBLE, Arrival(0, 0, "old"))
    collector.reset()
    assert collector.add(Sensor.THERMAL, Arrival(0, 0, "new")) == []
    assert [pair.visible.item for pair in collector.add(Sensor.VISIBLE, Arrival(0, 0, "new"))] == ["new"]
