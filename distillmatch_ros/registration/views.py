"""Camera images as the network gets them: upright, without bars, 8-bit grey; and the inverse mapping."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.engines.protocol import Float32
from distillmatch_ros.geometry.homography import Float64, Size, inverse, jacobian, transform
from distillmatch_ros.images.borders import Content, filled, find_content
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit, without_status_bits
from distillmatch_ros.images.orientation import UPRIGHT, Orientation
from distillmatch_ros.registration.gate import Estimate, Status
from distillmatch_ros.registration.passes import Pass

_WIDER = 1.05
"""Width of the thermal frame relative to the visible image above which the thermal camera sees more."""


@dataclass(frozen=True)
class Mounting:
    """Orientations that make the images of the two cameras upright."""

    visible: Orientation = UPRIGHT
    thermal: Orientation = UPRIGHT

    @property
    def mirrored(self) -> bool:
        """Whether exactly one of the two cameras' images is mirrored."""
        return self.visible.flip != self.thermal.flip


@dataclass(frozen=True, eq=False)
class View:
    """One camera's image, prepared for matching.

    Attributes:
        picture: uint8 (H, W).
        content: location of the picture in the upright image.
        upright_size: (height, width) of the upright image.
        to_view: (3, 3), pixels of the camera's image to those of the picture; None if they are equal.
    """

    picture: NDArray[np.uint8]
    content: Content
    upright_size: Size
    to_view: Float64 | None

    @classmethod
    def of(cls, image: NDArray[Any], orientation: Orientation, name: str, *, stretch: bool) -> "View":
        """Prepare an image.

        Args:
            image: any camera image.
            orientation: orientation that makes it upright.
            name: name of the image in errors.
            stretch: whether to stretch the values of an 8-bit image too.

        Raises:
            DistillMatchError: it is not an image.
        """
        grey = without_status_bits(to_grey(image, name))
        upright = orientation.upright(grey)
        content = find_content(upright)
        inner = np.ascontiguousarray(content.cut(upright))
        picture = to_8bit(inner) if stretch or inner.dtype != np.uint8 else inner
        if content.missing is not None:
            picture = filled(picture, content.missing)
        if inner.shape == grey.shape and orientation == UPRIGHT:
            return cls(picture, content, upright.shape, None)
        crop = np.array([[1, 0, -content.columns[0]], [0, 1, -content.rows[0]], [0, 0, 1.0]])
        return cls(picture, content, upright.shape, crop @ orientation.to_upright(grey.shape))

    def from_view(self, points: Float32) -> Float32:
        """Map points (N, 2) of the picture to pixels of the camera's image."""
        if self.to_view is None:
            return points
        return transform(inverse(self.to_view), points).astype(np.float32)


def prior_of_views(prior: Float64, visible: View, thermal: View) -> Float64:
    """Convert a homography of camera images to one of views."""
    if visible.to_view is None and thermal.to_view is None:
        return prior
    return _matrix(visible) @ prior @ inverse(_matrix(thermal))


def in_camera_pixels(found: Pass, visible: View, thermal: View) -> Pass:
    """Convert the result of a pass on two views to pixels of the camera images."""
    if visible.to_view is None and thermal.to_view is None:
        return found
    homography = found.estimate.homography
    if homography is not None:
        homography = inverse(_matrix(visible)) @ homography @ _matrix(thermal)
        homography = homography / homography[2, 2]
    return replace(
        found,
        visible_points=visible.from_view(found.visible_points),
        thermal_points=thermal.from_view(found.thermal_points),
        estimate=replace(found.estimate, homography=homography),
    )


def with_roles_exchanged(found: Pass) -> Pass:
    """Convert the result of a pass with exchanged images to the original roles."""
    estimate: Estimate = found.estimate
    if estimate.homography is not None:
        estimate = replace(estimate, homography=inverse(estimate.homography))
    return replace(
        found,
        visible_points=found.thermal_points,
        thermal_points=found.visible_points,
        estimate=estimate,
    )


def rejected(found: Pass) -> Pass:
    """The result of a pass with its homography rejected."""
    if found.estimate.homography is None:
        return found
    return replace(found, estimate=replace(found.estimate, status=Status.DEGENERATE, homography=None))


def thermal_is_wider(homography: Float64, visible: Size, thermal: Size) -> bool:
    """Whether the thermal camera sees more than the visible one, by a homography."""
    centre = ((thermal[1] - 1) / 2, (thermal[0] - 1) / 2)
    scale = abs(float(np.linalg.det(jacobian(homography, centre)))) ** 0.5
    return bool(scale * thermal[1] > _WIDER * visible[1])


def _matrix(view: View) -> Float64:
    return np.eye(3) if view.to_view is None else view.to_view
