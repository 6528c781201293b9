"""Prefetching and background writing keep the order, the bounds and the errors."""

import threading
from collections.abc import Iterator
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.bags.threads import BackgroundWriter, prefetch


@given(st.lists(st.integers()), st.integers(1, 5))
def test_items_keep_their_order(items: list[int], depth: int) -> None:
    assert list(prefetch(iter(items), depth)) == items
    written: list[int] = []
    with BackgroundWriter(written.append, depth) as write:
        for item in items:
            write(item)
    assert written == items


def test_no_more_is_read_than_asked_for() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    items = prefetch(endless(), 3)
    assert next(items) == 0
    sleep(0.2)
    assert len(made) == 4
    items.close()
    sleep(0.1)
    assert len(made) == 4


def test_error_of_the_source_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    items = prefetch(broken())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_error_of_the_work_reaches_the_caller_and_ends_it() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 1:
            raise OSError("full")
        done.append(item)

    def run() -> None:
        with BackgroundWriter(work, depth=2) as write:
            for item in range(10):
                write(item)

    with pytest.raises(OSError, match="full"):
        run()
    assert done[0] == 0 and len(done) < 9


def test_work_waits_when_too_much_is_left_behind() -> None:
    free = threading.Event()
    left: list[int] = []

    def leave() -> None:
        with BackgroundWriter(lambda _: free.wait(5), depth=2) as write:
            for item in range(6):
                write(item)
                left.append(item)

    thread = threading.Thread(target=leave)
    thread.start()
    sleep(0.2)
    assert len(left) == 2
    free.set()
    thread.join(5)
    assert len(left) == 6
