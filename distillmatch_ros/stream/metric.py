"""The rig that maps the pairs of a stream, in metres as soon as the distance of its cameras is known."""

from dataclasses import dataclass

from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.model import RigMapping, RigModel


@dataclass(frozen=True, eq=False)
class Geometry:
    """The geometry of a rig, as a pair's own images support it.

    Attributes:
        model: the rig, in metres if the distance of its cameras is known.
        is_new: whether it is another one than that of the pairs before.
    """

    model: RigModel
    is_new: bool


class MetricRig:
    """Keeps one rig in metres while pairs are mapped by it. Must be used by one thread at a time."""

    def __init__(self) -> None:
        """Start without a rig."""
        self._sized: tuple[RigModel, float, RigModel] | None = None
        self._told: RigModel | None = None

    def mapping(self, registration: Registration, baseline_m: float) -> RigMapping | None:
        """The mapping of a pair, by the rig in metres if that is known; None if no rig maps the pair.

        Args:
            registration: of the pair.
            baseline_m: distance of the cameras; 0 if it is not given.
        """
        mapping = registration.mapping
        if not isinstance(mapping, RigMapping) or baseline_m == 0:
            return mapping if isinstance(mapping, RigMapping) else None
        if self._sized is None or self._sized[:2] != (mapping.rig, baseline_m):
            self._sized = mapping.rig, baseline_m, mapping.rig.with_baseline(baseline_m)
        return mapping.by(self._sized[2])

    def geometry(self, registration: Registration, mapping: RigMapping | None) -> Geometry | None:
        """What a pair tells of the rig: nothing unless its own images support it.

        Args:
            registration: of the pair.
            mapping: see `mapping`.
        """
        if mapping is None or not registration.status.is_own:
            return None
        is_new, self._told = mapping.rig is not self._told, mapping.rig
        return Geometry(mapping.rig, is_new)
