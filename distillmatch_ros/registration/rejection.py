"""Why a pair has no mapping: the threshold that was not met, and what to do about it."""

import math
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from distillmatch_ros.registration.status import Status


class RejectionRecord(TypedDict):
    """A `Rejection` as a JSON object."""

    threshold: str
    value: float | None
    limit: float | None


@dataclass(frozen=True)
class Rejection:
    """The threshold that rejected a pair, one of `CAUSES`.

    Attributes:
        threshold: name of the setting, such as ``min_probability``, or of a reason without one, such as
            ``orientation``.
        value: what was found, in the setting's unit; None if it is no finite number.
        limit: what was asked for; None for a reason without a number.
    """

    threshold: str
    value: float | None = None
    limit: float | None = None

    @classmethod
    def of(cls, threshold: str, value: float, limit: float) -> "Rejection":
        """The rejection by a threshold; a value that is not finite becomes None."""
        return cls(threshold, float(value) if math.isfinite(value) else None, float(limit))

    @property
    def status(self) -> Status:
        """The kind of reason."""
        return CAUSES[self.threshold].status

    @property
    def found(self) -> str:
        """What was found, as text: ``min_probability: 0.21 instead of 0.35``."""
        if self.limit is None:
            return self.threshold
        value = "no value" if self.value is None else f"{self.value:.3g}"
        bound = "at least" if self.threshold.startswith("min_") else "at most"
        return f"{self.threshold}: {value}, {bound} {self.limit:.3g} is asked for"

    @property
    def cause(self) -> "Cause":
        """What that means, and what to do."""
        return CAUSES[self.threshold]

    def record(self) -> RejectionRecord:
        """As a JSON object."""
        return {"threshold": self.threshold, "value": self.value, "limit": self.limit}

    @classmethod
    def read(cls, record: Any) -> "Rejection | None":
        """From a JSON object; None if it is none, or names no known threshold."""
        if not isinstance(record, dict) or record.get("threshold") not in CAUSES:
            return None
        value, limit = (
            number if isinstance(number, int | float) and math.isfinite(number) else None
            for number in (record.get("value"), record.get("limit"))
        )
        return cls(record["threshold"], value, limit)


@dataclass(frozen=True)
class Cause:
    """What a rejection means for people.

    Attributes:
        status: the status of such pairs.
        topic: one or two words for headings.
        sentence: what was found.
        remedy: what to do, as a sentence.
    """

    status: Status
    topic: str
    sentence: str
    remedy: str


_CONTRAST = (
    "Look at the images: in darkness, fog or at uniform temperature one of them has no contrast. A lens out "
    "of focus or a closed shutter looks alike."
)
_ONE_DEPTH = (
    "One homography is valid for one depth: near objects seen by cameras far apart violate it. Mount the "
    "cameras closer together or use more distant scenes; if all pairs are like that, check that the images "
    "belong together."
)
_OVERLAP = (
    "More structure in view, or more overlap of the two images, spreads the matches: check the cameras' "
    "directions."
)
_VIEW = (
    "Check that the images belong together, and the cameras' orientation (rgb_rotation, thermal_rotation, "
    "rgb_flip, thermal_flip)."
)

CAUSES: dict[str, Cause] = {
    "image_content": Cause(
        Status.FEW_MATCHES, "thermal contrast", "an image is constant or smaller than 16 pixels", _CONTRAST
    ),
    "min_matches": Cause(Status.FEW_MATCHES, "thermal contrast", "too few matches were found", _CONTRAST),
    "min_inliers": Cause(Status.FEW_INLIERS, "parallax", "too few matches agree on a homography", _ONE_DEPTH),
    "min_inlier_ratio": Cause(
        Status.FEW_INLIERS, "parallax", "too small a part of the matches agrees on a homography", _ONE_DEPTH
    ),
    "max_false_alarms": Cause(
        Status.FEW_INLIERS, "parallax", "as many matches would agree by chance", _ONE_DEPTH
    ),
    "min_spread": Cause(
        Status.DEGENERATE, "overlap", "matches are in too small a part of the image", _OVERLAP
    ),
    "max_corner_std_px": Cause(
        Status.DEGENERATE, "overlap", "the matches leave the image's corners uncertain", _OVERLAP
    ),
    "max_perspective": Cause(Status.DEGENERATE, "mounting", "the view would be tilted too far", _VIEW),
    "min_scale": Cause(Status.DEGENERATE, "mounting", "the thermal image would be too small", _VIEW),
    "max_scale": Cause(Status.DEGENERATE, "mounting", "the thermal image would be too large", _VIEW),
    "max_anisotropy": Cause(Status.DEGENERATE, "mounting", "the view would be stretched too far", _VIEW),
    "mirrored": Cause(Status.DEGENERATE, "mounting", "the view would be mirrored", _VIEW),
    "orientation": Cause(
        Status.DEGENERATE, "mounting", "another orientation of the thermal image fits better", _VIEW
    ),
    "roles": Cause(
        Status.DEGENERATE,
        "mounting",
        "a homography was found only with the images exchanged, and it does not show a wider thermal camera",
        _VIEW,
    ),
    "latency": Cause(
        Status.DEGENERATE,
        "clock",
        "the images of a pair show different moments, and the cameras turn",
        "Set thermal_offset as the node, `bag` and `calibrate` advise: they tell the latency.",
    ),
    "unknown_latency": Cause(
        Status.DEGENERATE,
        "clock",
        "the cameras turn fast, and nothing tells yet whether the images of a pair show one moment",
        "Nothing has to be done: it ends after 1.5 s, and does not happen if the cameras start at rest.",
    ),
    "burnt_in": Cause(
        Status.DEGENERATE,
        "overlay",
        "only what is burnt into both images agrees, such as a logo, a clock or a crosshair",
        "Switch off the on-screen display of one camera, or crop it away: it hides the scene, and would make "
        "the whole images fit each other.",
    ),
    "min_peak_prominence": Cause(
        Status.DEGENERATE,
        "contrast",
        "the edges of both images hardly agree in that place",
        _CONTRAST,
    ),
    "max_second_peak_ratio": Cause(
        Status.DEGENERATE,
        "repetition",
        "the edges agree as well at another place, as in a row of equal windows",
        "Let structure that does not repeat into view, or use mode hold or a calibration meanwhile.",
    ),
    "min_probability": Cause(
        Status.DEGENERATE, "contrast", "matches and edges together make the homography improbable", _CONTRAST
    ),
    "earlier_pairs": Cause(
        Status.DEGENERATE,
        "earlier pairs",
        "earlier pairs with better evidence contradict it",
        "After a knock pairs are rejected until several agree with each other. If it lasts, look at them.",
    ),
    "rig": Cause(
        Status.CONTRADICTED,
        "knock",
        "the images agree at another place than the known rig or calibration says",
        "After a knock a stream learns the rig anew from its next pairs; one from a file has to be that of "
        "these cameras, and calibrated anew after a knock. If it lasts, check that the cameras are fixed to "
        "each other, and that both are triggered at the same time.",
    ),
    "max_jump_px": Cause(
        Status.DEGENERATE,
        "step",
        "the homography steps further than allowed, and following pairs have to confirm it",
        "After a knock it takes a few pairs. Raise max_jump_px if the cameras do move against each other.",
    ),
}
"""By threshold: what a rejection by it means."""
