"""Camera images as they are matched: upright, without bars, in their roles; and the inverse mapping."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.engines.protocol import Float32
from distillmatch_ros.geometry.homography import Float64, Points, Size, inverse, jacobian, transform
from distillmatch_ros.images.borders import Content, find_content
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit, without_status_bits
from distillmatch_ros.images.orientation import UPRIGHT, Orientation
from distillmatch_ros.registration.gate import Estimate
from distillmatch_ros.registration.passes import Pass
from distillmatch_ros.registration.rejection import Rejection

_RESIZABLE = (np.uint8, np.uint16, np.int16, np.float32)
"""Types that OpenCV resizes without loss."""
_WIDER = 1.05
"""Width of the thermal frame relative to the visible image above which the thermal camera sees more."""


@dataclass(frozen=True)
class Mounting:
    """Orientations that make the images of the two cameras upright."""

    visible: Orientation = UPRIGHT
    thermal: Orientation = UPRIGHT


@dataclass(frozen=True, eq=False)
class Region:
    """The part of a camera's image that is matched: its picture, upright and without bars.

    Attributes:
        orientation: orientation that makes the image upright.
        content: location of the picture in the upright image.
        camera: (height, width) of the camera's image.
    """

    orientation: Orientation
    content: Content
    camera: Size

    @classmethod
    def whole(cls, camera: Size, orientation: Orientation = UPRIGHT) -> "Region":
        """The whole image of a camera, whose images have this size."""
        height, width = orientation.upright_size(camera)
        return cls(orientation, Content((0, height), (0, width)), camera)

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        rows, columns = self.content.rows, self.content.columns
        return rows[1] - rows[0], columns[1] - columns[0]

    @cached_property
    def to_region(self) -> Float64 | None:
        """The (3, 3) map from pixels of the camera's image to those of the picture; None if equal."""
        rows, columns = self.content.rows, self.content.columns
        if self.orientation == UPRIGHT and (rows, columns) == ((0, self.camera[0]), (0, self.camera[1])):
            return None
        crop = np.array([[1, 0, -columns[0]], [0, 1, -rows[0]], [0, 0, 1.0]])
        cut: Float64 = crop @ self.orientation.to_upright(self.camera)
        return cut

    @property
    def matrix(self) -> Float64:
        """`to_region`, with the identity for None."""
        return np.eye(3) if self.to_region is None else self.to_region

    def cut(self, image: NDArray[Any], name: str) -> NDArray[Any]:
        """The region of another image of this camera, with its values; pixels without data are filled.

        Returns:
            (H, W), uint8, uint16, int16 or floating point.
        """
        grey = self.content.cut(self.orientation.upright(without_status_bits(to_grey(image, name))))
        return self.content.filled(grey if grey.dtype in _RESIZABLE else grey.astype(np.float64))

    def from_camera(self, points: Points) -> Points:
        """Map points (N, 2) of the camera's image to pixels of the picture."""
        return points if self.to_region is None else transform(self.to_region, points)

    def to_camera(self, points: Float32) -> Float32:
        """Map points (N, 2) of the picture to pixels of the camera's image."""
        if self.to_region is None:
            return points
        return transform(inverse(self.to_region), points).astype(np.float32)

    def describe(self) -> str:
        """What is not matched, as text; see `Content.describe`."""
        return self.content.describe(self.orientation.upright_size(self.camera))

    def has_pixels_of(self, other: "Region") -> bool:
        """Whether pixels have the same coordinates in both; other ones may be without data."""
        ours, theirs = (
            (each.orientation, each.camera, each.content.rows, each.content.columns) for each in (self, other)
        )
        return ours == theirs


@dataclass(frozen=True, eq=False)
class View:
    """One camera's image, prepared for matching.

    Attributes:
        picture: uint8 (H, W).
        region: the part of the camera's image that it shows.
    """

    picture: NDArray[np.uint8]
    region: Region

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
        return cls(content.filled(picture), Region(orientation, content, grey.shape))


def to_regions(homography: Float64, visible: Region, thermal: Region) -> Float64:
    """Convert a homography of camera images to one of their regions."""
    if visible.to_region is None and thermal.to_region is None:
        return homography
    moved: Float64 = visible.matrix @ homography @ inverse(thermal.matrix)
    moved /= moved[2, 2]
    return moved


def from_regions(homography: Float64, visible: Region, thermal: Region) -> Float64:
    """The inverse of `to_regions`; the last element is 1."""
    if visible.to_region is None and thermal.to_region is None:
        return homography
    moved: Float64 = inverse(visible.matrix) @ homography @ thermal.matrix
    moved /= moved[2, 2]
    return moved


def in_camera_pixels(found: Pass, visible: Region, thermal: Region) -> Pass:
    """Convert the result of a pass over two regions to pixels of the camera images."""
    if visible.to_region is None and thermal.to_region is None:
        return found
    homography = found.estimate.homography
    if homography is not None:
        homography = from_regions(homography, visible, thermal)
    return replace(
        found,
        visible_points=visible.to_camera(found.visible_points),
        thermal_points=thermal.to_camera(found.thermal_points),
        estimate=replace(found.estimate, homography=homography),
    )


@dataclass(frozen=True, eq=False)
class Framing:
    """How the images of a pair were matched.

    The *wide* picture is that of the camera that sees more, the *narrow* one lies in it.

    Attributes:
        visible: the matched region of the visible image.
        thermal: the matched region of the thermal image.
        thermal_wider: whether the thermal picture is the wide one.
    """

    visible: Region
    thermal: Region
    thermal_wider: bool = False

    @property
    def narrow(self) -> Region:
        """Region of the narrow picture."""
        return self.visible if self.thermal_wider else self.thermal

    @property
    def sizes(self) -> tuple[Size, Size]:
        """Sizes of the narrow and of the wide picture."""
        sizes = self.thermal.size, self.visible.size
        return sizes[::-1] if self.thermal_wider else sizes

    def pictures(self, visible: NDArray[Any], thermal: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The narrow and the wide picture, (H, W), of another pair of these cameras; see `Region.cut`."""
        seen, heat = self.visible.cut(visible, "visible image"), self.thermal.cut(thermal, "thermal image")
        return (seen, heat) if self.thermal_wider else (heat, seen)

    def points_in_pictures(self, visible: Points, thermal: Points) -> tuple[Points, Points]:
        """Convert camera pixels (N, 2) of matches to pixels of the narrow and of the wide picture."""
        points = self.thermal.from_camera(thermal), self.visible.from_camera(visible)
        return points[::-1] if self.thermal_wider else points

    def to_pictures(self, homography: Float64) -> Float64:
        """Convert a homography, thermal to visible camera pixels, to one from narrow to wide picture."""
        moved = to_regions(homography, self.visible, self.thermal)
        return inverse(moved) if self.thermal_wider else moved

    def to_camera(self, homography: Float64) -> Float64:
        """The inverse of `to_pictures`."""
        moved = inverse(homography) if self.thermal_wider else homography
        return from_regions(moved, self.visible, self.thermal)

    def has_pixels_of(self, other: "Framing") -> bool:
        """Whether pictures have the same pixels and roles; other ones may be without data."""
        return (
            self.thermal_wider == other.thermal_wider
            and self.visible.has_pixels_of(other.visible)
            and self.thermal.has_pixels_of(other.thermal)
        )

    def describe_borders(self) -> str:
        """Bars and regions without data, as text; empty if there are none."""
        regions = {"visible image": self.visible, "thermal image": self.thermal}
        said = {name: region.describe() for name, region in regions.items()}
        return ", ".join(f"{name}: {text}" for name, text in said.items() if text)


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


def rejected(found: Pass, reason: str) -> Pass:
    """The result of a pass with its homography rejected for a reason, one of `CAUSES`."""
    if found.estimate.homography is None:
        return found
    return replace(found, estimate=found.estimate.rejected(Rejection(reason)))


def thermal_is_wider(homography: Float64, visible: Size, thermal: Size) -> bool:
    """Whether the thermal camera sees more than the visible one, by a homography."""
    centre = ((thermal[1] - 1) / 2, (thermal[0] - 1) / 2)
    scale = abs(float(np.linalg.det(jacobian(homography, centre)))) ** 0.5
    return bool(scale * thermal[1] > _WIDER * visible[1])
