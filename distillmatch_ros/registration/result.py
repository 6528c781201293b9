"""The result of a registration."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import Float32
from distillmatch_ros.geometry.homography import Float64, Points
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.crops import CropPair, Wider
from distillmatch_ros.registration.quality import Quality
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status


@dataclass(frozen=True)
class Registration:
    """Result of a registration: the position of the thermal image in the visible image.

    Points are pixels of the camera images as passed in (integer = pixel centre), x and y.

    Attributes:
        visible_points: float32 (N, 2).
        thermal_points: float32 (N, 2), of the same matches.
        confidence: float32 (N,), in (0, 1].
        inliers: bool (N,), the correspondences that agree with the homography.
        mapping: where pixels of one image lie in the other; None if none was accepted.
        status: OK, another origin of the homography, or the reason why there is none.
        latency_ms: time in ``gain_control``, ``resize``, ``engine``, ``homography`` and ``alignment``, and in
            ``total``, ms.
        quality: figures of the homography, also of a rejected one; None if none was found.
        probability: probability that the corner error is below 10 reference pixels, also of a rejected
            homography, in [0, 1]; None without homography, or if the network is not calibrated.
        rejected_by: the threshold that was not met; None with a mapping of the pair's own, or without a
            judgement.
        crops: the matched crops of the images, and their roles; None without a pass.
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    inliers: NDArray[np.bool_]
    mapping: ImageMapping | None
    status: Status
    latency_ms: dict[str, float]
    quality: Quality | None = None
    probability: float | None = None
    rejected_by: Rejection | None = None
    crops: CropPair | None = None

    @property
    def homography(self) -> Float64 | None:
        """The homography closest to the mapping, float64 (3, 3), thermal to visible pixels, or None."""
        return None if self.mapping is None else self.mapping.homography

    def to_visible(self, points: Points) -> Float64:
        """Map thermal pixels (N, 2), x and y, to visible pixels: float64 (N, 2), NaN where none corresponds.

        Raises:
            DistillMatchError: the pair has no mapping, or these are not points.
        """
        return self._mapped().to_visible(points)

    def to_thermal(self, points: Points) -> Float64:
        """Map visible pixels to thermal pixels; see `to_visible`."""
        return self._mapped().to_thermal(points)

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """Warp an image of the thermal camera, such as a segmentation, into the visible frame.

        Values are kept; see `ImageMapping.warp_thermal`.

        Raises:
            DistillMatchError: the pair has no mapping, or this is no image of the thermal camera's size.
        """
        return self._mapped().warp_thermal(image)

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """Warp an image of the visible camera into the thermal frame; see `warp_thermal`."""
        return self._mapped().warp_visible(image)

    def _mapped(self) -> ImageMapping:
        if self.mapping is None:
            raise DistillMatchError(
                f"registration: the pair has no mapping ({self.status}); check `registration.mapping` first"
            )
        return self.mapping

    def rejected(self, reason: Rejection) -> "Registration":
        """The same without a mapping, for a reason that the pair's matches alone do not tell."""
        return replace(self, mapping=None, status=reason.status, rejected_by=reason)

    @property
    def wider(self) -> Wider:
        """The camera that sees more; if it is the thermal one, the images were matched in exchanged roles."""
        return Wider.VISIBLE if self.crops is None else self.crops.wider

    @property
    def borders(self) -> str:
        """Description of excluded bars and regions without data; empty if there are none."""
        return "" if self.crops is None else self.crops.describe()

    @classmethod
    def without_matches(
        cls, status: Status, mapping: ImageMapping | None, latency_ms: dict[str, float]
    ) -> "Registration":
        """A registration without a pass of the network, hence without correspondences."""
        points, none = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
        return cls(points, points, none, none.astype(np.bool_), mapping, status, latency_ms)
