"""The status of a pair, and all that a status means."""

from dataclasses import dataclass
from enum import Enum

from distillmatch_ros.base.enums import StrEnum


class Status(StrEnum):
    """Origin of a pair's mapping, or the kind of reason why there is none; see `Rejection` for the reason."""

    OK = "OK"
    TRACKED = "TRACKED"
    FEW_MATCHES = "FEW_MATCHES"
    FEW_INLIERS = "FEW_INLIERS"
    DEGENERATE = "DEGENERATE"
    CONTRADICTED = "CONTRADICTED"
    RIG = "RIG"
    HELD = "HELD"
    FIXED = "FIXED"
    REPEATED = "REPEATED"
    STALE_VISIBLE = "STALE_VISIBLE"
    STALE_THERMAL = "STALE_THERMAL"

    @classmethod
    def named(cls, name: str) -> "Status | None":
        """The status of this name, or None."""
        return cls._value2member_map_.get(name)  # type: ignore[return-value]

    @property
    def is_confirmed(self) -> bool:
        """Whether a pass of the network over this pair confirmed the mapping."""
        return self is Status.OK

    @property
    def is_own(self) -> bool:
        """Whether the mapping comes from this pair's own images."""
        return _MEANINGS[self].origin is _Origin.OWN

    @property
    def is_rejection(self) -> bool:
        """Whether the pair's own images support no mapping."""
        return _MEANINGS[self].origin is _Origin.NONE

    @property
    def is_judged(self) -> bool:
        """Whether the pair's own images decided on its mapping."""
        return self.is_own or self.is_rejection

    @property
    def has_pass(self) -> bool:
        """Whether the network always matches the images of such a pair; tracked ones are matched rarely."""
        return _MEANINGS[self].has_pass

    @property
    def is_stale(self) -> bool:
        """Whether one of the two streams is frozen."""
        return _MEANINGS[self].is_stale

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong: the level OK in diagnostics, otherwise WARN."""
        return _MEANINGS[self].is_good

    @property
    def colour(self) -> str:
        """Name of its colour for people: ``green`` or ``yellow``."""
        return "green" if self.is_good else "yellow"

    @property
    def sentence(self) -> str:
        """What it says about a pair, for people."""
        return _MEANINGS[self].sentence


class _Origin(Enum):
    OWN = "own images"
    EARLIER = "earlier pairs or a calibration"
    NONE = "none"


@dataclass(frozen=True)
class _Meaning:
    origin: _Origin
    sentence: str
    has_pass: bool = False
    is_stale: bool = False
    is_good: bool = False


_MEANINGS = {
    Status.OK: _Meaning(
        _Origin.OWN, "matches and edges of this pair support the homography", has_pass=True, is_good=True
    ),
    Status.TRACKED: _Meaning(
        _Origin.OWN, "tracked on the images' edges since the last full pass", is_good=True
    ),
    Status.FEW_MATCHES: _Meaning(_Origin.NONE, "too few correspondences", has_pass=True),
    Status.FEW_INLIERS: _Meaning(
        _Origin.NONE, "the correspondences do not agree on a homography", has_pass=True
    ),
    Status.DEGENERATE: _Meaning(
        _Origin.NONE, "the best homography is improbable, implausible or contradicted", has_pass=True
    ),
    Status.CONTRADICTED: _Meaning(_Origin.NONE, "the images contradict the known rig"),
    Status.RIG: _Meaning(
        _Origin.EARLIER,
        "from the known rig; this pair's own images were not asked, or do not tell",
        is_good=True,
    ),
    Status.HELD: _Meaning(_Origin.EARLIER, "the homography of an earlier pair was kept"),
    Status.FIXED: _Meaning(
        _Origin.EARLIER, "the calibrated mapping was used; the pair did not confirm it", is_good=True
    ),
    Status.REPEATED: _Meaning(
        _Origin.EARLIER,
        "one image is that of an earlier pair, whose mapping is kept while the other moves",
        is_good=True,
    ),
    Status.STALE_VISIBLE: _Meaning(_Origin.EARLIER, "the visible image is frozen", is_stale=True),
    Status.STALE_THERMAL: _Meaning(_Origin.EARLIER, "the thermal image is frozen", is_stale=True),
}
