"""Pictures of a registration, and the thermal image on the visible camera's grid."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Points, Size, corners, resizing, transform
from distillmatch_ros.geometry.warping import keeping_values
from distillmatch_ros.images.gain_control import Range, to_8bit
from distillmatch_ros.registration.registrar import Registration
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.canvas import AMBER, GREEN, GREY, NIGHT, WHITE, Picture

Style = Literal["blend", "false_colour", "edges", "checkerboard"]
STYLES: tuple[Style, ...] = get_args(Style)

_SQUARES = 10  # of a checkerboard, along the longer side
_PATCHES = (8, 5)  # of the thermal image, from each of which one line is drawn before a second
_MAX_LINES, _MAX_FAINT_LINES = 40, 20  # beyond these nobody can follow one
_MARGIN, _TITLE, _CAPTION = 24, 46, 54  # of the picture of matches, pixels
_HEIGHTS = (360, 900)  # between which its images are brought, pixels
_MIN_WIDTH = 760  # below which titles and caption would collide, pixels
_MAX_WIDTH = 4000  # of both images together, pixels


def warp_thermal(thermal: NDArray[Any], homography: Float64, size: Size) -> NDArray[Any]:
    """Bring a thermal image onto the visible camera's grid.

    8-bit pictures are interpolated. Wider values are readings: each pixel takes the nearest one, so that
    every value is one the camera measured, and a NaN stays the one pixel it is.

    Args:
        thermal: (H, W) or (H, W, C) of one of `SUPPORTED_DTYPES`.
        homography: float64 (3, 3), thermal to visible pixels.
        size: (height, width) of the visible image.

    Returns:
        ``size`` with the channels and dtype of ``thermal``; where `covered` says that it sees nothing, NaN in
        floating point and 0 in integers.
    """
    if thermal.dtype == np.uint8:
        return cv2.copyTo(
            _interpolated(thermal, homography, size), _mask(thermal.shape[:2], homography, size)
        )

    def move(image: NDArray[Any], outside: float) -> NDArray[Any]:
        flags, border = cv2.INTER_NEAREST, [outside] * 4  # a value for each channel
        return np.asarray(cv2.warpPerspective(image, homography, size[::-1], flags=flags, borderValue=border))

    return keeping_values(move, thermal)


def _interpolated(thermal: NDArray[np.uint8], homography: Float64, size: Size) -> NDArray[np.uint8]:
    """`warp_thermal` of a picture before what lies outside is taken away."""
    # Replicated, or interpolation would mix the outside's 0 into the border.
    return np.asarray(
        cv2.warpPerspective(thermal, homography, size[::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def covered(thermal: Size, homography: Float64, size: Size) -> NDArray[np.bool_]:
    """Visible pixels that a thermal image of (height, width) ``thermal`` sees: bool, shape ``size``."""
    return _mask(thermal, homography, size).view(np.bool_)


def _mask(thermal: Size, homography: Float64, size: Size) -> NDArray[np.uint8]:
    """`covered` as OpenCV wants it: 1 or 0."""
    everything = np.ones(thermal, np.uint8)
    return np.asarray(cv2.warpPerspective(everything, homography, size[::-1], flags=cv2.INTER_NEAREST))


def draw_overlay(
    visible: NDArray[Any],
    thermal: NDArray[Any],
    registration: Registration,
    style: Style = "blend",
    heat_range: Range | None = None,
) -> Picture:
    """Lay the thermal image over the visible one.

    Args:
        visible: any camera image.
        thermal: any camera image.
        registration: of these two; without a homography the picture is the visible image, and says so.
        style: ``blend``, heat as colour and cold see-through; ``false_colour``, visible in blue and thermal
            in orange, grey where they agree; ``edges``, thermal edges glowing on the visible image;
            ``checkerboard``, squares of either.
        heat_range: the thermal values to show; the image's own if None.

    Returns:
        uint8 (H, W, 3) BGR on the visible image's grid.

    Raises:
        DistillMatchError: there is no such style.
    """
    if style not in STYLES:
        raise DistillMatchError(f"overlay style {style!r} is unknown; choose {', '.join(STYLES)}")
    base = canvas.displayable(visible)
    homography = registration.homography
    if homography is None:
        return canvas.banner(base // 2, f"{registration.status}: no homography", AMBER)
    heat = to_8bit(thermal, heat_range)
    size: Size = base.shape[:2]
    shown = _interpolated(_edge_strength(heat) if style == "edges" else heat, homography, size)
    inside = _mask(heat.shape, homography, size)
    drawn = cv2.copyTo(_compose(base, shown, style), inside, base)
    return canvas.outline(np.asarray(drawn, np.uint8), transform(homography, corners(heat.shape)), WHITE)


def draw_matches(visible: NDArray[Any], thermal: NDArray[Any], registration: Registration) -> Picture:
    """Both images side by side, correspondences between them, a caption below.

    Lines of inliers are coloured by confidence, from violet (0) to yellow (1). Outliers are faint. The
    thermal frame is outlined in the visible image. Of many lines a selection is drawn, spread over the image,
    the most confident of each part.

    Returns:
        uint8 BGR; both images at one height.
    """
    picture, left, right = _side_by_side(canvas.displayable(visible), canvas.displayable(to_8bit(thermal)))
    starts, ends = left.places(registration.visible_points), right.places(registration.thermal_points)
    inliers, outliers = np.flatnonzero(registration.inliers), np.flatnonzero(~registration.inliers)
    faint = _selection(registration, outliers, _MAX_FAINT_LINES)
    chosen = _selection(registration, inliers, _MAX_LINES)
    colours = _by_confidence(registration.confidence[chosen])
    width = max(2, round(picture.shape[1] / 640))  # legible where the picture is shown small
    for indices, shades, opacity in ((faint, [GREY] * len(faint), 0.45), (chosen, colours, 0.85)):
        lines = picture.copy()
        for index, shade in zip(indices, shades, strict=True):
            canvas.line(lines, starts[index], ends[index], shade, width)
        cv2.addWeighted(lines, opacity, picture, 1 - opacity, 0, dst=picture)
    for place, shade in zip(np.concatenate([starts[chosen], ends[chosen]]), colours * 2, strict=True):
        canvas.dot(picture, place, 2.2 * width, NIGHT)
        canvas.dot(picture, place, 1.6 * width, shade)

    total, drawn = len(registration.inliers), len(chosen)
    counts = f"{len(inliers)} of {total} matches agree" if total else "no matches"
    if drawn < len(inliers):
        counts += f", {drawn} drawn"
    if drawn:
        counts += "; yellow: most confident"
    if registration.homography is None:
        return _caption(picture, f"{registration.status}: no homography", AMBER, counts)
    frame = transform(registration.homography, corners((thermal.shape[0], thermal.shape[1])))
    canvas.outline(left.shown, left.places(frame) - left.corner, WHITE)
    return _caption(picture, str(registration.status), GREEN, counts)


@dataclass(frozen=True, eq=False)
class _Panel:
    """An image within a larger picture.

    Attributes:
        shown: the part of the picture that shows it, as a view.
        corner: x and y of its top left pixel in the picture.
        scaling: (3, 3), pixels of the image to pixels of ``shown``.
    """

    shown: Picture
    corner: Float64
    scaling: Float64

    def places(self, points: Points) -> Float64:
        """Where points (N, 2) of the image lie in the picture."""
        return transform(self.scaling, points) + self.corner


def _side_by_side(visible: Picture, thermal: Picture) -> tuple[Picture, _Panel, _Panel]:
    """A dark picture with both images at one height, and where they are in it."""
    aspects = [image.shape[1] / image.shape[0] for image in (visible, thermal)]
    height = int(min(np.clip(visible.shape[0], *_HEIGHTS), max(1, _MAX_WIDTH / sum(aspects))))
    widths = [max(1, round(aspect * height)) for aspect in aspects]
    width = max(3 * _MARGIN + sum(widths), _MIN_WIDTH)
    picture = np.full((_TITLE + height + _CAPTION, width, 3), NIGHT, np.uint8)

    def panel(name: str, image: Picture, left: int, columns: int) -> _Panel:
        shown = picture[_TITLE : _TITLE + height, left : left + columns]
        shown[:] = canvas.resized(image, (height, columns))
        canvas.write(picture, name, (left, _TITLE / 2), 13, WHITE)
        size = f"{image.shape[1]} x {image.shape[0]}"
        canvas.write(picture, size, (left + max(columns, 200), _TITLE / 2), 11, GREY, align=1)
        return _Panel(shown, np.array([left, _TITLE]), resizing(image.shape[:2], (height, columns)))

    left = panel("visible", visible, _MARGIN, widths[0])
    return picture, left, panel("thermal", thermal, width - _MARGIN - widths[1], widths[1])


def _caption(picture: Picture, verdict: str, colour: canvas.Colour, counts: str) -> Picture:
    height, width = picture.shape[:2]
    middle = height - _CAPTION / 2
    canvas.dot(picture, np.array([_MARGIN + 6, middle]), 6, colour)
    canvas.write(picture, verdict, (_MARGIN + 22, middle), 14, WHITE)
    return canvas.write(picture, counts, (width - _MARGIN, middle), 12, GREY, align=1)


def _compose(base: Picture, shown: NDArray[np.uint8], style: Style) -> Picture:
    """Visible picture and warped thermal picture (or, for edges, its edges) as one."""
    if style == "checkerboard":
        side = max(base.shape[:2]) / _SQUARES
        rows, columns = (np.arange(count) // side for count in base.shape[:2])
        odd = ((rows[:, None] + columns) % 2).astype(bool)
        return np.where(odd[..., None], _inferno(shown), base)
    grey = cv2.cvtColor(base, cv2.COLOR_BGR2GRAY)
    if style == "false_colour":
        return np.asarray(cv2.merge([grey, cv2.addWeighted(grey, 0.5, shown, 0.5, 0), shown]), np.uint8)
    if style == "edges":
        halo = cv2.addWeighted(shown, 0.75, cv2.GaussianBlur(shown, (0, 0), 4), 1.1, 0)
        glow = np.asarray(cv2.applyColorMap(halo, cv2.COLORMAP_INFERNO))
        dim = cv2.addWeighted(base, 0.35, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), 0.2, 0)
        return np.asarray(cv2.add(dim, glow), np.uint8)
    colours, fractions = _blending()
    kept = cv2.multiply(base, cv2.applyColorMap(shown, fractions), scale=1 / 255)
    return np.asarray(cv2.add(kept, cv2.applyColorMap(shown, colours)), np.uint8)


@cache
def _blending() -> tuple[Picture, Picture]:
    """Colour that each of 256 heats adds, and fraction of the visible image kept, both (256, 1, 3)."""
    heat = np.arange(256, dtype=np.uint8)[:, None]
    opacity = 0.12 + 0.53 * (heat[..., None] / 255) ** 1.5
    fractions = np.broadcast_to(0.9 * (1 - opacity), (256, 1, 3))
    return np.rint(opacity * _inferno(heat)).astype(np.uint8), np.rint(255 * fractions).astype(np.uint8)


def _inferno(shown: NDArray[np.uint8]) -> Picture:
    return np.asarray(cv2.applyColorMap(shown, cv2.COLORMAP_INFERNO), np.uint8)


def _edge_strength(heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gradient of the smoothed image, 255 for its strongest edges."""
    smooth = cv2.GaussianBlur(heat, (0, 0), 1.2).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
    strongest = max(float(np.percentile(strength[::2, ::2], 98)), 1.0)
    return np.asarray(np.clip(strength * (255 / strongest) - 40, 0, 255), np.uint8)


def _selection(registration: Registration, indices: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most ``most`` of the indices: the best of each patch of the image, then the second best, ..."""
    points = registration.thermal_points[indices]
    patches = (
        (points // np.maximum(np.ptp(points, axis=0) / _PATCHES, 1)).astype(int) if len(points) else points
    )
    order = np.lexsort((-registration.confidence[indices], patches[:, 1], patches[:, 0]))
    first = np.flatnonzero(np.any(np.diff(patches[order], axis=0, prepend=-1), axis=1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return indices[order[np.argsort(rank, kind="stable")[:most]]]


def _by_confidence(confidence: NDArray[np.floating]) -> list[canvas.Colour]:
    """Colours of values in [0, 1]; the higher the lighter, for those who do not tell hues."""
    palette = cv2.applyColorMap(np.arange(75, 256, dtype=np.uint8), cv2.COLORMAP_PLASMA).reshape(-1, 3)
    chosen = palette[np.rint(180 * np.clip(confidence, 0, 1)).astype(int)]
    return [(int(b), int(g), int(r)) for b, g, r in chosen]
