"""What drives told of their rigs, for tests of reports and fleets."""

from dataclasses import replace
from typing import Any

from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import DriveEvent, RigHistory
from distillmatch_ros.rig.learning import LearnedRig
from test.support.simulated_rig import RIG

LEARNED = LearnedRig(replace(RIG, origins={"scale": "assumed"}), (0.0, 0.08), False)


def known(seconds: float = 10.0) -> DriveEvent:
    return DriveEvent(seconds, Finding.KNOWN.value, "the rig is known", 11, 4.0)


def knock(seconds: float = 25.0) -> DriveEvent:
    return DriveEvent(seconds, Finding.MOVED.value, "the cameras moved", None, 42.0, -1.5)


def learned(**changes: Any) -> RigHistory:
    """A drive whose rig was known after 11 passes, and maps all pairs."""
    fields: dict[str, Any] = {
        "mode": "rig",
        "use": "maps",
        "passes": 12,
        "rig": LEARNED,
        "events": [known()],
    }
    return RigHistory(**(fields | changes))
