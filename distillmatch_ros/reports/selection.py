"""Selects the pairs shown as pictures: typical ones, the worst, and each kind of rejection."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.reports.recording import Entry

SHOWN = 12
TYPICAL = 4
"""Greatest number of typical pairs among them."""


@dataclass(frozen=True)
class Chosen:
    """A selected pair and the reason."""

    entry: Entry
    why: str


def choose(entries: Sequence[Entry], shifts: Mapping[int, float]) -> list[Chosen]:
    """Select at most `SHOWN` pairs, in recording order.

    Args:
        entries: entries of the recording.
        shifts: shifts of the registered entries by number; see `Movement.by_number`.
    """
    chosen: dict[int, Chosen] = {}
    queues = [
        _typical(entries, shifts),
        _worst(entries, shifts),
        *(_spread_out(entries, status) for status in _others(entries)),
    ]
    limits = [TYPICAL, TYPICAL, *[SHOWN] * (len(queues) - 2)]
    # One of each kind in turn: every kind is represented before any has its second.
    while queues and len(chosen) < SHOWN:
        for index in range(len(queues)):
            found = next((each for each in queues[index] if each.entry.number not in chosen), None)
            limits[index] = 0 if found is None else limits[index] - 1
            if found is not None and len(chosen) < SHOWN:
                chosen[found.entry.number] = found
        kept = [index for index, limit in enumerate(limits) if limit > 0]
        queues, limits = [queues[index] for index in kept], [limits[index] for index in kept]
    for each in _typical(entries, shifts):
        if len(chosen) < SHOWN:
            chosen.setdefault(each.entry.number, each)
    return [chosen[number] for number in sorted(chosen)]


def _typical(entries: Sequence[Entry], shifts: Mapping[int, float]) -> Iterator[Chosen]:
    """Registered pairs near the median in inliers and shift, from all parts of the recording."""
    registered = [entry for entry in entries if entry.registered and entry.matched]
    parts = [part for part in np.array_split(np.arange(len(registered)), TYPICAL) if len(part)]
    usual = float(np.median([entry.inliers for entry in registered])) if registered else 0.0
    ranked = [
        sorted(
            (registered[index] for index in part),
            key=lambda entry: (
                abs(entry.inliers - usual) / max(usual, 1) + 0.1 * shifts.get(entry.number, 0.0)
            ),
        )
        for part in parts
    ]
    for rank in range(max(map(len, ranked), default=0)):
        for part in ranked:
            if rank < len(part):
                yield Chosen(part[rank], "typical")


def _worst(entries: Sequence[Entry], shifts: Mapping[int, float]) -> Iterator[Chosen]:
    """Registered outliers, in turn: the least probable, the fewest inliers, the largest shift."""
    registered = [entry for entry in entries if entry.registered]
    if len(registered) < 2:
        return
    likely = sorted(
        (entry for entry in registered if entry.probability is not None), key=lambda e: e.probability or 0.0
    )
    fewest = sorted((entry for entry in registered if entry.matched), key=lambda entry: entry.inliers)
    farthest = sorted(
        (entry for entry in registered if entry.number in shifts), key=lambda entry: -shifts[entry.number]
    )
    for rank in range(len(registered)):
        if rank < len(likely):
            yield Chosen(likely[rank], "least probable")
        if rank < len(fewest):
            yield Chosen(fewest[rank], "fewest inliers")
        if rank < len(farthest):
            yield Chosen(farthest[rank], "farthest from its median position")


def _others(entries: Sequence[Entry]) -> list[str]:
    """Statuses of pairs that were not matched, or not registered, the most frequent first."""
    counts = Counter(entry.status for entry in entries if not (entry.registered and entry.matched))
    return [status for status, _ in counts.most_common()]


def _spread_out(entries: Sequence[Entry], status: str) -> Iterator[Chosen]:
    """Pairs with a status, from the middle of the recording, then from all parts."""
    found = [entry for entry in entries if entry.status == status]
    order = dict.fromkeys(np.linspace(0, len(found) - 1, SHOWN + 2).round().astype(int).tolist())
    places = sorted(order, key=lambda place: abs(place - len(found) // 2))
    yield from (Chosen(found[place], status) for place in places)
