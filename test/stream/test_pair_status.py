"""What a status message says is read as it was written; what cannot be read is unknown."""

from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.registration.rejection import CAUSES, Rejection
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.uncertainty import Deviations
from distillmatch_ros.stream.pair_status import PairStatus

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**62)
SIZES = st.tuples(st.integers(1, 9999), st.integers(1, 9999))


def optional(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


@given(
    st.builds(
        PairStatus,
        st.sampled_from([status.value for status in Status]),
        optional(COUNTS),
        optional(NUMBERS),
        optional(SIZES),
        optional(SIZES),
        optional(COUNTS),
        optional(COUNTS),
        optional(st.floats(0, 1)),
        optional(st.builds(Rejection, st.sampled_from(list(CAUSES)), optional(NUMBERS), optional(NUMBERS))),
        optional(st.builds(Deviations, NUMBERS, NUMBERS)),
    )
)
def test_what_is_written_is_read(status: PairStatus) -> None:
    assert PairStatus.read(status.status, status.values()) == status


REASON, DEVIATIONS = Rejection("roles", 1.0, 2.0), Deviations(0.1, 0.2)
KEYS = list(PairStatus("OK", 1, 1.0, (1, 1), (1, 1), 1, 1, 1.0, REASON, DEVIATIONS).values())


@given(st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_any_text_gives_a_value_of_its_kind_or_none(values: dict[str, str]) -> None:
    read = PairStatus.read("OK", values)
    assert read.matches is None or read.matches >= 0
    assert read.visible_size is None or min(read.visible_size) > 0


def test_not_available_is_unknown() -> None:
    assert PairStatus.read("OK", dict.fromkeys(KEYS, "n/a")) == PairStatus("OK")
