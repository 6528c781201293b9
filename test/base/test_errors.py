"""The text of an error: its own lines are lines, those of foreign names are not."""

import pickle

from distillmatch_ros.base.errors import DistillMatchError


def test_only_the_parts_of_an_error_begin_lines() -> None:
    error = DistillMatchError("a\nb: choose from", "/rgb\n", "/thermal")
    assert str(error).splitlines() == ["a\\nb: choose from", "  /rgb\\n", "  /thermal"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
