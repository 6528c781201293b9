"""What is found about a rig along a drive."""

from dataclasses import dataclass

from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.rig.obstacles import Obstacle


class Finding(StrEnum):
    """Kind of an event.

    KNOWN: the rig can be relied on from now on. USE: what the known rig is for has changed. NO_RIG: passes
    speak against a rig. MOVED: the cameras moved against each other, and the rig is learned anew. DRIFTED:
    they turned so little that the rig goes on with another pose.
    CONTRADICTED, UNSUPPORTED: images speak against a given calibration, or none for it. UNUSABLE: a rig that
    was given is of other images. LATE: images of pairs are not of one moment. SCALE: depth tells the distance
    of the cameras. REGIONS: passes speak against them.
    """

    KNOWN = "known"
    USE = "use"
    NO_RIG = "no rig"
    MOVED = "moved"
    DRIFTED = "drifted"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    UNUSABLE = "unusable"
    LATE = "late"
    SCALE = "scale"
    REGIONS = "regions"


DOUBTS = (Finding.CONTRADICTED, Finding.UNSUPPORTED, Finding.UNUSABLE)
"""What speaks against a calibration or a rig that was given."""


@dataclass(frozen=True)
class RigEvent:
    """What was found about the rig.

    Attributes:
        stamp: stamp of the pair that told it, ns; 0 if it was known before the first one.
        finding: its kind.
        sentence: what was found, for people.
        passes: number of passes over pairs with a homography until then, since the beginning or the last
            MOVED; None where passes do not decide.
        distance_px: between the rig and what told it, reference pixels; None if that is not what was found.
        turned_degrees: by which the thermal image is turned in the visible one, clockwise; None likewise.
        obstacle: what keeps the pairs from being those of one rig; None if nothing does, or nothing names it.
    """

    stamp: int
    finding: Finding
    sentence: str
    passes: int | None = None
    distance_px: float | None = None
    turned_degrees: float | None = None
    obstacle: Obstacle | None = None
