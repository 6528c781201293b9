"""A status says what it means in one place."""

import pytest

from distillmatch_ros.registration.status import Status

MEANINGS = {  # own, judged, rejection, good
    "OK": (True, True, False, True),
    "TRACKED": (True, True, False, True),
    "FEW_MATCHES": (False, True, True, False),
    "FEW_INLIERS": (False, True, True, False),
    "DEGENERATE": (False, True, True, False),
    "CONTRADICTED": (False, True, True, False),
    "RIG": (False, False, False, True),
    "HELD": (False, False, False, False),
    "FIXED": (False, False, False, True),
    "REPEATED": (False, False, False, True),
    "STALE_VISIBLE": (False, False, False, False),
    "STALE_THERMAL": (False, False, False, False),
}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_meaning(status: Status) -> None:
    assert (status.is_own, status.is_judged, status.is_rejection, status.is_good) == MEANINGS[status.value]
    assert status.colour == ("green" if status.is_good else "yellow")
    assert status.sentence and Status.named(status.value) is status


def test_only_a_pass_confirms_and_only_rejections_and_passes_are_matched() -> None:
    assert [status for status in Status if status.is_confirmed] == [Status.OK]
    assert {status for status in Status if status.has_pass} == {
        *(Status.OK, Status.FEW_MATCHES, Status.FEW_INLIERS, Status.DEGENERATE)
    }
    assert Status.named("ERROR") is None
