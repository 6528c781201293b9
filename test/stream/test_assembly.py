from pathlib import Path

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.assembly import calibration_path
from distillmatch_ros.stream.parameters import Parameters


def test_a_device_keeps_no_calibration() -> None:
    """Writing it there succeeds, and it is lost."""
    for name in ("/dev/null", "/dev/zero"):
        with pytest.raises(DistillMatchError, match="is a device"):
            calibration_path(Parameters.of({"calibration_file": name}))
    assert calibration_path(Parameters.of({"calibration_file": "~/rig.yaml"})) == Path.home() / "rig.yaml"
