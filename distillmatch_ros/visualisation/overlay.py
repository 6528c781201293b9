"""Pictures of a registration."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Points, border, resize_matrix, transform
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.canvas import AMBER, GREEN, GREY, NIGHT, WHITE, Picture

Style = Literal["blend", "false_colour", "edges", "checkerboard"]
STYLES: tuple[Style, ...] = get_args(Style)

_POINTWISE = ("blend", "false_colour")  # a pixel of these depends on what is there alone
_SQUARES = 10  # of a checkerboard, along the longer side
_PATCHES = (8, 5)  # columns and rows of patches of the thermal image among which lines are spread
_MAX_LINES, _MAX_FAINT_LINES = 40, 20  # more would be illegible
_MARGIN, _TITLE, _CAPTION = 24, 46, 54  # layout of the picture of matches, pixels
_HEIGHTS = (360, 900)  # least and greatest height of its images, pixels
_MIN_WIDTH = 760  # least width, for titles and caption, pixels
_MAX_WIDTH = 4000  # of both images together, pixels


def draw_overlay(
    visible: NDArray[Any],
    thermal: NDArray[Any],
    registration: Registration,
    style: Style = "blend",
) -> Picture:
    """Draw the thermal image over the visible one.

    Args:
        visible: any camera image.
        thermal: any camera image; its own range of values is shown.
        registration: registration of the two; without a homography the visible image is drawn with a note.
        style: ``blend``, thermal as a colour map, transparent where cold; ``false_colour``, visible in blue
            and thermal in orange, grey where they agree; ``edges``, thermal edges on the visible image;
            ``checkerboard``, alternating squares of both.

    Returns:
        uint8 (H, W, 3) BGR, size of the visible image.

    Raises:
        DistillMatchError: the style is unknown.
    """
    return draw_heat(visible, to_8bit(thermal), registration, style)


def draw_heat(
    visible: NDArray[Any], heat: NDArray[np.uint8], registration: Registration, style: Style
) -> Picture:
    """Draw an 8-bit thermal image, uint8 (H, W), over the visible one; see `draw_overlay`."""
    if style not in STYLES:
        raise DistillMatchError(f"overlay style {style!r} is unknown; choose {', '.join(STYLES)}")
    base = canvas.displayable(visible)
    mapping = registration.mapping
    if mapping is None:
        return canvas.banner(base // 2, f"{registration.status}: no homography", AMBER)
    shown, mask = mapping.warp_thermal(_edge_strength(heat) if style == "edges" else heat), mapping.mask
    box = _box(mask) if style in _POINTWISE else np.s_[:, :]
    cv2.copyTo(_compose(base[box], shown[box], style), mask[box].view(np.uint8), dst=base[box])
    return canvas.outline(base, mapping.to_visible(border(heat.shape)), WHITE)


def draw_matches(visible: NDArray[Any], thermal: NDArray[Any], registration: Registration) -> Picture:
    """Draw both images side by side with lines between correspondences and a caption.

    Lines of inliers are coloured by confidence, from violet (0) to yellow (1). Outliers are faint. The
    thermal frame is outlined in the visible image. If there are many lines, the most confident ones of each
    part of the image are drawn.

    Returns:
        uint8 BGR; both images have the same height.
    """
    picture, left, right = _side_by_side(canvas.displayable(visible), canvas.displayable(to_8bit(thermal)))
    starts, ends = left.places(registration.visible_points), right.places(registration.thermal_points)
    inliers, outliers = np.flatnonzero(registration.inliers), np.flatnonzero(~registration.inliers)
    faint = _selection(registration, outliers, _MAX_FAINT_LINES)
    chosen = _selection(registration, inliers, _MAX_LINES)
    colours = _by_confidence(registration.confidence[chosen])
    width = max(2, round(picture.shape[1] / 640))  # still visible where the picture is scaled down
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
    if registration.mapping is None:
        return _caption(picture, f"{registration.status}: no homography", AMBER, counts)
    frame = registration.mapping.to_visible(border((thermal.shape[0], thermal.shape[1])))
    canvas.outline(left.shown, left.places(frame) - left.corner, WHITE)
    return _caption(picture, str(registration.status), GREEN, counts)


@dataclass(frozen=True, eq=False)
class _Panel:
    """An image inside a larger picture.

    Attributes:
        shown: view of the picture's part that shows the image.
        corner: x and y of its top left pixel in the picture.
        scaling: (3, 3), pixels of the image to pixels of ``shown``.
    """

    shown: Picture
    corner: Float64
    scaling: Float64

    def places(self, points: Points) -> Float64:
        """Map points (N, 2) of the image to the picture."""
        return transform(self.scaling, points) + self.corner


def _side_by_side(visible: Picture, thermal: Picture) -> tuple[Picture, _Panel, _Panel]:
    """A dark picture with both images at the same height, and their panels."""
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
        return _Panel(shown, np.array([left, _TITLE]), resize_matrix(image.shape[:2], (height, columns)))

    left = panel("visible", visible, _MARGIN, widths[0])
    return picture, left, panel("thermal", thermal, width - _MARGIN - widths[1], widths[1])


def _caption(picture: Picture, verdict: str, colour: canvas.Colour, counts: str) -> Picture:
    height, width = picture.shape[:2]
    middle = height - _CAPTION / 2
    canvas.dot(picture, np.array([_MARGIN + 6, middle]), 6, colour)
    canvas.write(picture, verdict, (_MARGIN + 22, middle), 14, WHITE)
    return canvas.write(picture, counts, (width - _MARGIN, middle), 12, GREY, align=1)


def _compose(base: Picture, shown: NDArray[np.uint8], style: Style) -> Picture:
    """Combine the visible picture and the warped thermal picture (for ``edges``: its edges)."""
    if style == "checkerboard":
        side = max(base.shape[:2]) / _SQUARES
        rows, columns = (np.arange(count) // side for count in base.shape[:2])
        odd = ((rows[:, None] + columns) % 2).astype(bool)
        return np.where(odd[..., None], canvas.inferno(shown), base)
    if style == "blend":
        colours, fractions = _blending()
        weights = cv2.cvtColor(cv2.LUT(shown, fractions), cv2.COLOR_GRAY2BGR)
        kept = cv2.multiply(base, weights, scale=1 / 255)
        return np.asarray(cv2.add(kept, cv2.applyColorMap(shown, colours)), np.uint8)
    grey = cv2.cvtColor(base, cv2.COLOR_BGR2GRAY)
    if style == "false_colour":
        return np.asarray(cv2.merge([grey, cv2.addWeighted(grey, 0.5, shown, 0.5, 0), shown]), np.uint8)
    halo = cv2.addWeighted(shown, 0.75, cv2.GaussianBlur(shown, (0, 0), 4), 1.1, 0)
    glow = canvas.inferno(np.asarray(halo, np.uint8))
    dim = cv2.addWeighted(base, 0.35, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), 0.2, 0)
    return np.asarray(cv2.add(dim, glow), np.uint8)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns that hold all of a mask; one pixel if it is empty."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + max(height, 1)), slice(left, left + max(width, 1))


@cache
def _blending() -> tuple[Picture, NDArray[np.uint8]]:
    """Tables by thermal value: colour to add (256, 1, 3), and weight of the visible image (256,), of 255."""
    heat = np.arange(256, dtype=np.uint8)[:, None]
    opacity = 0.12 + 0.53 * (heat / 255) ** 1.5
    colours = np.rint(opacity[..., None] * canvas.inferno(heat)).astype(np.uint8)
    return colours, np.rint(255 * 0.9 * (1 - opacity[:, 0])).astype(np.uint8)


def _edge_strength(heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gradient magnitude of the smoothed image, scaled to 255 at its strongest edges."""
    smooth = cv2.GaussianBlur(heat, (0, 0), 1.2).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
    strongest = max(float(np.percentile(strength[::2, ::2], 98)), 1.0)
    return np.asarray(np.clip(strength * (255 / strongest) - 40, 0, 255), np.uint8)


def _selection(registration: Registration, indices: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most ``most`` of the indices: first the best of each patch, then the second best of each, ..."""
    points = registration.thermal_points[indices]
    patches = (
        (points // np.maximum(np.ptp(points, axis=0) / _PATCHES, 1)).astype(int) if len(points) else points
    )
    order = np.lexsort((-registration.confidence[indices], patches[:, 1], patches[:, 0]))
    first = np.flatnonzero(np.any(np.diff(patches[order], axis=0, prepend=-1), axis=1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return indices[order[np.argsort(rank, kind="stable")[:most]]]


def _by_confidence(confidence: NDArray[np.floating]) -> list[canvas.Colour]:
    """Colours of values in [0, 1]; lightness increases too, for colour-blind readers."""
    palette = cv2.applyColorMap(np.arange(75, 256, dtype=np.uint8), cv2.COLORMAP_PLASMA).reshape(-1, 3)
    chosen = palette[np.rint(180 * np.clip(confidence, 0, 1)).astype(int)]
    return [(int(b), int(g), int(r)) for b, g, r in chosen]
