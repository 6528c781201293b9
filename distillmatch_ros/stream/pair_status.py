"""What the status message says of a pair: written by node and bags, read by reports."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.uncertainty import Deviations, deviations_of


@dataclass(frozen=True)
class PairStatus:
    """The values of a status message; None where there is none, or where it cannot be read.

    Attributes:
        status: a `Status`, or another text in messages of other versions.
        thermal_stamp: stamp of the thermal frame, ns; the message itself has that of the visible frame.
        skew_ms: thermal stamp minus visible stamp, ms.
        visible_size: (height, width) of the visible image.
        thermal_size: (height, width) of the thermal image.
        matches: number of correspondences; None for a pair without a pass of the network.
        inliers: number of correspondences that agree with the homography; likewise.
        probability: probability that the corner error is below 10 px, in [0, 1].
        rejected_by: the threshold that was not met.
        deviations: standard deviations of a rig's map; None for a homography of the pair's own.
    """

    status: str
    thermal_stamp: int | None = None
    skew_ms: float | None = None
    visible_size: Size | None = None
    thermal_size: Size | None = None
    matches: int | None = None
    inliers: int | None = None
    probability: float | None = None
    rejected_by: Rejection | None = None
    deviations: Deviations | None = None

    @classmethod
    def of(cls, registration: Registration, visible: Frame, thermal: Frame) -> "PairStatus":
        """Describe the registration of two frames."""
        matched = registration.status.has_pass
        return cls(
            registration.status.value,
            thermal.stamp,
            (thermal.stamp - visible.stamp) / 1e6,
            visible.image.shape[:2],
            thermal.image.shape[:2],
            len(registration.inliers) if matched else None,
            int(registration.inliers.sum()) if matched else None,
            registration.probability,
            registration.rejected_by,
            deviations_of(registration.mapping),
        )

    def values(self) -> dict[str, str]:
        """The values as text, by key; what is None has no key."""
        reason, deviations = self.rejected_by, self.deviations
        values = {
            "matches": self.matches,
            "inliers": self.inliers,
            "probability": self.probability,
            "thermal_stamp": self.thermal_stamp,
            "skew_ms": self.skew_ms,
            "visible_size": _size_text(self.visible_size),
            "thermal_size": _size_text(self.thermal_size),
            "rejected_by": None if reason is None else reason.threshold,
            "rejected_value": None if reason is None else reason.value,
            "rejected_limit": None if reason is None else reason.limit,
            "centre_std_px": None if deviations is None else deviations.centre,
            "corner_std_px": None if deviations is None else deviations.corner,
        }
        return {key: str(value) for key, value in values.items() if value is not None}

    @classmethod
    def read(cls, status: str, values: Mapping[str, str]) -> "PairStatus":
        """The inverse of `values`; a text that is no value of its kind is taken for None."""
        reason = {
            "threshold": values.get("rejected_by"),
            "value": _number(values.get("rejected_value", "")),
            "limit": _number(values.get("rejected_limit", "")),
        }
        return cls(
            status,
            _count(values.get("thermal_stamp", "")),
            _number(values.get("skew_ms", "")),
            _size(values.get("visible_size", "")),
            _size(values.get("thermal_size", "")),
            _count(values.get("matches", "")),
            _count(values.get("inliers", "")),
            _number(values.get("probability", "")),
            Rejection.read(reason),
            _deviations(values),
        )


def _deviations(values: Mapping[str, str]) -> Deviations | None:
    centre, corner = (_number(values.get(key, "")) for key in ("centre_std_px", "corner_std_px"))
    return None if centre is None or corner is None else Deviations(centre, corner)


def _size_text(size: Size | None) -> str | None:
    return None if size is None else f"{size[1]}x{size[0]}"


def _size(text: str) -> Size | None:
    width, height = (_count(part) for part in text.partition("x")[::2])
    return (height, width) if height and width else None


def _count(text: str) -> int | None:
    try:
        count = int(text)
    except ValueError:
        return None
    return count if count >= 0 else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
