"""The pairs of one recording, independent of the format they were read from."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.comparison import reference_corners
from distillmatch_ros.rig.history import UNTOLD, RigHistory

REJECTED = "REJECTED"
"""Status of a pair without a homography if the recording does not contain the reason."""


@dataclass(frozen=True, eq=False)
class Correspondences:
    """Correspondences of a pair.

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
    """One pair of images and its registration.

    Attributes:
        number: from 1, in recording order.
        name: its files, or its number.
        seconds: time since the first pair by their stamps, s; None for images without stamps.
        stamp: stamp of the visible image, ns; None for images without stamps.
        thermal_stamp: stamp of the thermal image, ns; None if unknown.
        status: a `Status`, `REJECTED` or ``ERROR``.
        homography: float64 (3, 3), thermal to visible pixels; None without one.
        matches: number of correspondences.
        inliers: number of correspondences that agree with the homography.
        skew_ms: thermal stamp minus visible stamp, ms; None if unknown.
        latency_ms: latency of its registration, ms; None if unknown.
        probability: probability that its corner error is below 10 px, in [0, 1]; None if unknown.
        correspondences: its matches; None if they were not recorded.
        visible_size: (height, width) of the visible image; None if unknown.
        thermal_size: (height, width) of the thermal image; None if unknown.
        rejected_by: the threshold that was not met; None if none, or unknown.
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
    rejected_by: Rejection | None = None
    thermal_stamp: int | None = None
    error: str | None = None

    @property
    def registered(self) -> bool:
        """Whether it has a homography from its own images."""
        status = Status.named(self.status)
        return status is not None and status.is_own and self.homography is not None

    @property
    def judged(self) -> bool:
        """Whether its own images decided on its homography."""
        status = Status.named(self.status)
        return status is None or status.is_judged

    @property
    def matched(self) -> bool:
        """Whether the network matched its images; most tracked pairs have no pass."""
        status = Status.named(self.status)
        return self.matches > 0 or status is None or status.has_pass

    @property
    def corners(self) -> Float64 | None:
        """Where its thermal corners lie, (4, 2) reference pixels; None unless registered, of known sizes."""
        if not self.registered or self.homography is None:
            return None
        if self.thermal_size is None or self.visible_size is None:
            return None
        return reference_corners(self.homography, self.thermal_size, self.visible_size)

    @property
    def place(self) -> float:
        """Its abscissa in charts: time in seconds, or its number."""
        return float(self.number) if self.seconds is None else self.seconds

    def registration(self, visible: Size, thermal: Size) -> Registration:
        """The entry as a registration of images of these sizes, for the pictures."""
        found = self.correspondences or Correspondences.none()
        unknown = Status.DEGENERATE if self.homography is None else Status.OK
        return Registration(
            visible_points=found.visible,
            thermal_points=found.thermal,
            confidence=found.confidence,
            inliers=found.inliers,
            mapping=None if self.homography is None else HomographyMapping(self.homography, thermal, visible),
            status=Status.named(self.status) or unknown,
            latency_ms={},
        )


@dataclass(frozen=True, eq=False)
class Images:
    """Available images of a pair: as the cameras sent them, and the recorded overlay."""

    visible: NDArray[Any] | None = None
    thermal: NDArray[Any] | None = None
    overlay: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """The pairs of one recording.

    Attributes:
        title: its file name.
        about: properties of the recording: name and value of each, for the page.
        entries: pairs in recording order.
        load: reads the images of some entries; returns them by number, without missing ones.
        frames: number of images read, by side; empty if unknown.
        dropped: number of images without a pair, by side and reason, such as ``visible unmatched``.
        live: whether latencies are those of a running node, from the receipt of an image to its homography.
        problems: descriptions of unreadable parts.
        temperature: what thermal readings mean; None if unknown.
        rig: what the drive told of its rig.
        provenance: how it came about, and what became of it: see `bags.provenance` and `BagRecord`; empty if
            that is not recorded.
    """

    title: str
    about: Sequence[tuple[str, str]]
    entries: Sequence[Entry]
    load: Callable[[Sequence[Entry]], Mapping[int, Images]]
    frames: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    live: bool = False
    problems: Sequence[str] = ()
    temperature: Temperature | None = None
    rig: RigHistory = UNTOLD
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether the pairs have stamps."""
        return any(entry.seconds is not None for entry in self.entries)

    @cached_property
    def frozen(self) -> Counter[str]:
        """Number of pairs with a frozen image, by status."""
        found = ((entry.status, Status.named(entry.status)) for entry in self.entries)
        return Counter(name for name, status in found if status is not None and status.is_stale)

    @cached_property
    def changing_sizes(self) -> str:
        """The cameras' image sizes as text if they change along a drive, otherwise empty."""
        drive = [entry for entry in self.entries if entry.seconds is not None]
        sizes = {
            "visible": Counter(entry.visible_size for entry in drive if entry.visible_size is not None),
            "thermal": Counter(entry.thermal_size for entry in drive if entry.thermal_size is not None),
        }
        return "; ".join(
            f"{camera} "
            + ", ".join(f"{width}x{height} in {n} pairs" for (height, width), n in each.most_common(4))
            for camera, each in sizes.items()
            if len(each) > 1
        )


def cameras(entries: Sequence[Entry]) -> str:
    """Sizes of the two cameras' images as text; empty if unknown."""
    sides = (("visible", "visible_size"), ("thermal", "thermal_size"))
    parts = []
    for side, attribute in sides:
        sizes = {getattr(entry, attribute) for entry in entries} - {None}
        if len(sizes) == 1:
            height, width = sizes.pop()
            parts.append(f"{side} {width} x {height}")
        elif sizes:
            parts.append(f"{side} of {len(sizes)} sizes")
    return ", ".join(parts)
