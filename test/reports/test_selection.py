"""The pairs that are shown: few, no two the same, and every kind among them."""

from hypothesis import given
from hypothesis import strategies as st
from support.recordings import entry

from distillmatch_ros.reports.selection import SHOWN, TYPICAL, choose

STATUSES = ("OK", "TRACKED", "FEW_MATCHES", "FEW_INLIERS", "DEGENERATE", "HELD", "STALE_THERMAL", "ERROR")


@given(st.lists(st.sampled_from(STATUSES), max_size=60))
def test_few_pairs_of_every_kind_are_shown_in_order(statuses: list[str]) -> None:
    entries = [entry(number, status) for number, status in enumerate(statuses, 1)]
    chosen = choose(entries, {each.number: 0.0 for each in entries if each.registered})
    numbers = [each.entry.number for each in chosen]
    assert numbers == sorted(set(numbers)) and len(chosen) == min(SHOWN, len(entries))
    rejected = {each.status for each in entries if not each.registered}
    assert {each.entry.status for each in chosen if not each.entry.registered} == rejected
    assert all(each.why == each.entry.status for each in chosen if not each.entry.registered)
    tracked = [each for each in chosen if each.entry.status == "TRACKED"]
    assert bool(tracked) == ("TRACKED" in statuses)
    assert not any(each.why in ("typical", "fewest inliers") for each in tracked)


def test_typical_and_worst_are_what_they_are_called() -> None:
    entries = [entry(number, inliers=50) for number in range(1, 101)]
    entries[29] = entry(30, inliers=13)
    entries[59] = entry(60, probability=0.4)
    shifts = {each.number: 0.1 for each in entries} | {80: 9.0}
    chosen = {each.entry.number: each.why for each in choose(entries, shifts)}
    assert chosen[30] == "fewest inliers" and chosen[60] == "least probable"
    assert chosen[80] == "farthest from its median position"
    typical = [number for number, why in chosen.items() if why == "typical"]
    assert len({(number - 1) // 25 for number in typical}) == TYPICAL  # from all parts of the drive
    assert len(chosen) == SHOWN
