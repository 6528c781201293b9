"""An image is prepared once a pair, however many parts of the stream use it."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from support.tracked_rig import TrackedRig

from distillmatch_ros import Status
from distillmatch_ros.images import borders, frames, gain_control

COUNTED = (frames.to_grey, gain_control.without_status_bits, borders.find_crop, gain_control.range_of)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls of the functions that prepare images, in whichever module they were imported."""
    counts: Counter[str] = Counter()

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: object, **named: object) -> object:
            counts[function.__name__] += 1
            return function(*arguments, **named)

        return counted

    for function in COUNTED:
        counted = counting(function)
        for name, module in list(sys.modules.items()):
            if name.startswith("distillmatch_ros") and getattr(module, function.__name__, None) is function:
                monkeypatch.setattr(module, function.__name__, counted)
    return counts


def test_a_pair_with_a_pass_is_prepared_once(calls: Counter[str]) -> None:
    rig = TrackedRig(pass_seconds=0.0)
    assert rig.process(0).registration.status is Status.OK
    assert calls == {"to_grey": 2, "without_status_bits": 2, "find_crop": 2, "range_of": 1}


def test_a_tracked_pair_is_prepared_once_and_its_small_picture_has_its_own_range(calls: Counter[str]) -> None:
    rig = TrackedRig()
    rig.process(0)
    calls.clear()
    assert rig.process(1).registration.status is Status.TRACKED
    assert calls == {"to_grey": 2, "without_status_bits": 2, "find_crop": 2, "range_of": 2}


def test_the_overlay_prepares_no_thermal_image(calls: Counter[str]) -> None:
    result = TrackedRig().process(0)
    calls.clear()
    result.overlay()
    assert calls == {"to_grey": 1}  # the visible image as it is displayed
