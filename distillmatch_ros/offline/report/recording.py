"""What a report is about: the pairs of one recording, wherever they were read from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.registration.gate import Status
from distillmatch_ros.registration.registrar import Registration

REJECTED = "REJECTED"
"""Status of a pair without a homography where the recording does not tell the reason."""
OWN = frozenset({"OK", "TRACKED"})
"""Statuses of pairs whose homography comes from their own images."""
GIVEN = frozenset({"HELD", "FIXED", "STALE_THERMAL"})
"""Statuses of pairs that were given a homography of before, or none, without being judged by their own."""

WITHOUT_MATCHES = GIVEN | {"TRACKED"}
"""Statuses of pairs that may have gone without a pass of the network."""


@dataclass(frozen=True, eq=False)
class Correspondences:
    """Matches of a pair.

    Attributes:
        visible: float32 (N, 2), visible pixels.
        thermal: float32 (N, 2), thermal pixels.
        confidence: float32 (N,), in [0, 1].
        inliers: bool (N,).
    """

    visible: NDArray[np.float32]
    thermal: NDArray[np.float32]
    confidence: NDArray[np.float32]
    inliers: NDArray[np.bool_]

    @classmethod
    def none(cls) -> "Correspondences":
        """No matches."""
        points, values = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
        return cls(points, points, values, np.zeros(0, np.bool_))


@dataclass(frozen=True, eq=False)
class Entry:
    """One pair of images and how it was registered.

    Attributes:
        number: from 1, in the order of the recording.
        name: its files, or its number.
        seconds: from the first pair to this one by their stamps, s; None for images without stamps.
        stamp: of the visible image, ns; None likewise.
        status: a `Status`, `REJECTED` or ``ERROR``.
        homography: float64 (3, 3), thermal to visible pixels; None without one.
        matches: number of correspondences.
        inliers: those that agree with the homography.
        skew_ms: by how much the thermal image was taken later, ms; None where that is not known.
        latency_ms: of its registration, ms; None where that is not known.
        probability: that its corner error is below 10 px; None where that is not known.
        correspondences: its matches; None where they are not recorded.
        visible_size: (height, width) of the visible image; None where that is not known.
        thermal_size: of the thermal image, likewise.
        error: why there is no registration, or None.
    """

    number: int
    name: str
    seconds: float | None
    stamp: int | None
    status: str
    homography: Float64 | None
    matches: int
    inliers: int
    skew_ms: float | None = None
    latency_ms: float | None = None
    probability: float | None = None
    correspondences: Correspondences | None = None
    visible_size: Size | None = None
    thermal_size: Size | None = None
    error: str | None = None

    @property
    def registered(self) -> bool:
        """Whether it has a homography that its own images support."""
        return self.status in OWN and self.homography is not None

    @property
    def judged(self) -> bool:
        """Whether its own images decided about it."""
        return self.status not in GIVEN

    @property
    def matched(self) -> bool:
        """Whether the network matched its images; tracked pairs mostly go without."""
        return self.matches > 0 or self.status not in WITHOUT_MATCHES

    @property
    def place(self) -> float:
        """Where it stands on the abscissa of a chart: seconds, or its number."""
        return float(self.number) if self.seconds is None else self.seconds

    @property
    def registration(self) -> Registration:
        """The entry as the pictures want it."""
        found = self.correspondences or Correspondences.none()
        known = {status.value: status for status in Status}
        unknown = Status.DEGENERATE if self.homography is None else Status.OK
        return Registration(
            visible_points=found.visible,
            thermal_points=found.thermal,
            confidence=found.confidence,
            inliers=found.inliers,
            homography=self.homography,
            status=known.get(self.status, unknown),
            latency_ms={},
        )


@dataclass(frozen=True, eq=False)
class Images:
    """Images of a pair as far as there are any: as their cameras sent them, and the recorded overlay."""

    visible: NDArray[Any] | None = None
    thermal: NDArray[Any] | None = None
    overlay: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """The pairs of one recording.

    Attributes:
        title: its file name.
        about: what it is: name and value of each property, for people.
        entries: in their order.
        load: reads the images of some entries; gives them by number, without those that are not there.
        frames: images that were read, by side; empty where that is not known.
        dropped: images that went into no pair, by side and reason, such as ``visible unmatched``.
        live: the latencies are those of a running node, from the receipt of an image to its homography.
        problems: what could not be read, for people.
    """

    title: str
    about: Sequence[tuple[str, str]]
    entries: Sequence[Entry]
    load: Callable[[Sequence[Entry]], Mapping[int, Images]]
    frames: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    live: bool = False
    problems: Sequence[str] = ()

    @property
    def timed(self) -> bool:
        """Whether the pairs have stamps."""
        return any(entry.seconds is not None for entry in self.entries)


def cameras(entries: Sequence[Entry]) -> str:
    """Sizes of the two cameras' images in words; empty where they are not known."""
    sides = (("visible", "visible_size"), ("thermal", "thermal_size"))
    told = []
    for side, attribute in sides:
        sizes = {getattr(entry, attribute) for entry in entries} - {None}
        if len(sizes) == 1:
            height, width = sizes.pop()
            told.append(f"{side} {width} x {height}")
        elif sizes:
            told.append(f"{side} of {len(sizes)} sizes")
    return ", ".join(told)
