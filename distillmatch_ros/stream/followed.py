"""What became of one pair of a stream, before it is smoothed and drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.passes import STAGES
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status


def unchanged(registration: Registration) -> Registration:
    """The registration as it is."""
    return registration


@dataclass(frozen=True, eq=False)
class Followed:
    """Result for one pair.

    Attributes:
        registration: TRACKED without correspondences, or the result of a pass over this pair.
        passes: passes over this pair or earlier ones that ended since the last pair, with their stamps.
        find_matches: adds correspondences to the registration (or a copy of it with another homography);
            those of a tracked pair are computed only then.
        rested: whether the pair's images were not looked at.
    """

    registration: Registration
    passes: tuple[tuple[int, Registration], ...] = ()
    find_matches: Callable[[Registration], Registration] = unchanged
    rested: bool = False

    @classmethod
    def resting(cls, status: Status, mapping: ImageMapping | None) -> "Followed":
        """A pair that was not registered."""
        latency_ms = dict.fromkeys((*STAGES, "total"), 0.0)
        return cls(Registration.without_matches(status, mapping, latency_ms))

    @classmethod
    def rejected(cls, reason: Rejection) -> "Followed":
        """A pair without a mapping, for a reason that matches alone do not tell."""
        return cls(cls.resting(reason.status, None).registration.rejected(reason))

    @classmethod
    def repeating(cls, said: Registration) -> "Followed":
        """A pair of which one image is that of an earlier pair: with its mapping, or its rejection."""
        status = said.status if said.mapping is None else Status.REPEATED
        rested = cls.resting(status, said.mapping).registration
        return cls(replace(rested, probability=said.probability, rejected_by=said.rejected_by))
