"""Registered pairs as a recording (.rrd) for the viewer of Rerun (https://rerun.io), written pair by pair."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import needing
from distillmatch_ros.base.files import replacing
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.cloud import thermal_cloud
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.stream.result import Result
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.overlay import draw_overlay

STAMP, PAIR = "stamp", "pair"
"""Timelines: the stamps of a bag, or the numbers of pairs of files."""
VISIBLE, THERMAL, POINTS = "rig/visible", "rig/thermal", "rig/points"
OVERLAY, STATUS, PROBABILITY, INLIERS = (
    "overlay",
    "registration/status",
    "registration/probability",
    "registration/inliers",
)
"""Entities; each camera's image and matches lie below it."""

_JPEG_QUALITY = 90
_MOST_POINTS = 40_000  # of a pair's cloud
_FRUSTUM = 5.0  # distance at which images hang before their cameras, in distances between the cameras
_AGREES, _STRAYS = (46, 204, 113), (120, 120, 120)  # colours of inliers and other matches, RGB
_COPIED = 1 << 20  # bytes at a time


@contextmanager
def recording(path: Path) -> Iterator["RerunFile"]:
    """Begin a recording, which replaces an earlier one when it is whole.

    Raises:
        DistillMatchError: the extra ``rerun`` is not installed, or the file cannot be written.
    """
    with needing("rerun"):
        import rerun
        import rerun.blueprint
    with replacing(path) as file:
        recorded = RerunFile(rerun, file)
        try:
            yield recorded
        finally:
            recorded.close()


class RerunFile:
    """A recording in the making.

    Memory is bounded: each pair is in the file before the next one is taken. The package's own writer never
    returns from an error such as a full disk, so its bytes come through a pipe and are written here.
    """

    def __init__(self, rerun: Any, file: BinaryIO) -> None:
        """Begin with the package and the file to write."""
        self._rerun = rerun
        self._rig: RigModel | None = None
        self._error: OSError | None = None
        source, sink = os.pipe()
        self._copier = Thread(target=self._copy, args=(source, file), name="rerun")
        self._copier.start()
        self._stream = rerun.RecordingStream("distillmatch", recording_id=uuid4())
        self._stream.save(f"/dev/fd/{sink}")
        os.close(sink)
        self._stream.set_log_tick_enabled(False)
        self._stream.set_log_time_enabled(False)
        self._stream.send_blueprint(_layout(rerun.blueprint))

    def close(self) -> None:
        """Write what is left; see `add_result`."""
        self._stream.disconnect()
        self._copier.join()
        self._check()

    def add_result(self, result: Result) -> None:
        """Add a pair of a stream, at its visible frame's stamp.

        Raises:
            OSError: the file cannot be written; `recording` says so.
        """
        self._stream.set_time(STAMP, timestamp=np.datetime64(result.visible.stamp, "ns"))
        images = result.visible.image, result.thermal.image
        if result.geometry is not None:  # in metres as soon as they are known
            self._show(result.geometry.model)
        elif self._rig is None:
            self._show(_rig_of(result.registration))
        self._add(*images, result.heat(), result.overlay().image, result.matched())

    def add_pair(
        self, number: int, visible: NDArray[Any], thermal: NDArray[Any], registration: Registration
    ) -> None:
        """Add the pair of files with a number; see `add_result`."""
        self._stream.set_time(PAIR, sequence=number)
        overlay = draw_overlay(visible, thermal, registration)
        self._show(_rig_of(registration))
        self._add(visible, thermal, to_8bit(thermal), overlay, registration)

    def _add(
        self,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        heat: NDArray[np.uint8],
        overlay: NDArray[Any],
        found: Registration,
    ) -> None:
        rerun, log = self._rerun, self._stream.log
        for name, picture in (
            (f"{VISIBLE}/image", canvas.displayable(visible)),
            (f"{THERMAL}/image", canvas.inferno(heat)),
            (OVERLAY, overlay),
        ):
            log(name, rerun.EncodedImage(contents=_jpeg(picture), media_type="image/jpeg"))
        colours = np.where(found.inliers[:, None], _AGREES, _STRAYS).astype(np.uint8)
        for camera, points in ((VISIBLE, found.visible_points), (THERMAL, found.thermal_points)):
            # In Rerun a pixel's centre is at half a pixel.
            log(f"{camera}/matches", rerun.Points2D(points + np.float32(0.5), colors=colours, radii=-2.0))
        says = "" if found.rejected_by is None else f" ({found.rejected_by.found})"
        level = "INFO" if found.status.is_good else "WARN"
        log(STATUS, rerun.TextLog(f"{found.status}: {found.status.sentence}{says}", level=level))
        probability = np.nan if found.probability is None else found.probability
        log(PROBABILITY, rerun.Scalars([probability]))
        log(INLIERS, rerun.Scalars([int(found.inliers.sum())]))
        self._show_cloud(visible, thermal, found)
        self._stream.flush()
        self._check()

    def _show(self, rig: RigModel | None) -> None:
        """The two cameras, in the optical frame of the visible one, if they are known and new."""
        if rig is None or rig is self._rig:
            return
        rerun, pose = self._rerun, rig.T_visible_thermal
        apart = float(np.linalg.norm(pose.translation)) or 1.0
        at = rerun.Transform3D(translation=pose.translation, mat3x3=pose.rotation)
        self._stream.log(THERMAL, at)
        for name, camera in ((VISIBLE, rig.visible), (THERMAL, rig.thermal)):
            self._stream.log(name, self._pinhole(camera, _FRUSTUM * apart))
        self._rig = rig

    def _pinhole(self, camera: Camera, distance: float) -> Any:
        return self._rerun.Pinhole(
            image_from_camera=camera.matrix,
            resolution=camera.size[::-1],
            camera_xyz=self._rerun.ViewCoordinates.RDF,
            image_plane_distance=distance,
        )

    def _show_cloud(self, visible: NDArray[Any], thermal: NDArray[Any], found: Registration) -> None:
        """The thermal cloud of a pair with depth; none takes away that of the pair before it."""
        places, colours = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
        if isinstance(found.mapping, DepthMapping) and found.mapping.has_points:
            cloud = thermal_cloud(found.mapping, visible, thermal)
            cloud = cloud[:: -(-len(cloud) // _MOST_POINTS) or 1]
            places = np.stack([cloud[name] for name in "xyz"], axis=-1)
            if len(cloud):
                colours = canvas.inferno(to_8bit(cloud["thermal"][None]))[0, :, ::-1]
        self._stream.log(POINTS, self._rerun.Points3D(places, colors=colours, radii=-1.5))

    def _copy(self, source: int, file: BinaryIO) -> None:
        """Write what comes through the pipe; after an error the rest is read and dropped."""
        with open(source, "rb", buffering=0) as pipe:
            while data := pipe.read(_COPIED):
                if self._error is None:
                    try:
                        file.write(data)
                    except OSError as error:
                        self._error = error

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


def _rig_of(registration: Registration) -> RigModel | None:
    mapping = registration.mapping
    return mapping.rig if isinstance(mapping, RigMapping | DepthMapping) else None


def _layout(blueprint: Any) -> Any:
    """What the viewer shows at first."""
    images = blueprint.Vertical(
        blueprint.Spatial2DView(origin=OVERLAY, name="thermal over visible"),
        blueprint.Horizontal(
            blueprint.Spatial2DView(origin=VISIBLE, name="visible, matches"),
            blueprint.Spatial2DView(origin=THERMAL, name="thermal, matches"),
        ),
    )
    over_time = blueprint.Vertical(
        blueprint.Spatial3DView(origin="rig", name="cameras and thermal points"),
        blueprint.TimeSeriesView(origin="registration", contents=f"/{PROBABILITY}", name="probability"),
        blueprint.TextLogView(origin="registration", name="status"),
        row_shares=[3, 1, 1],
    )
    return blueprint.Blueprint(blueprint.Horizontal(images, over_time))


def _jpeg(picture: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1])
