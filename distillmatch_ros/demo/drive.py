"""A synthetic drive recorded as a bag, with the true geometry of each pair."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.demo.truth import TruePoints
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.scene import Scene
from distillmatch_ros.scene.camera import SyntheticCamera
from distillmatch_ros.stream.sensors import Sensor

RGB, THERMAL = "/rgb/image", "/thermal/image"
TOPICS = {Sensor.VISIBLE: RGB, Sensor.THERMAL: THERMAL}
RGB_INFO, THERMAL_INFO = "/rgb/camera_info", "/thermal/camera_info"
RGB_FRAME, THERMAL_FRAME = "rgb_camera_optical_frame", "thermal_camera_optical_frame"

START = 1_700_000_000 * 10**9  # ns; constant, so that recordings are reproducible
TRANSPORT = 2_000_000  # ns from the stamp to the receipt by the recorder
MEAN_SKEW, SKEW_STD = (
    4e6,
    1.5e6,
)  # ns from the visible to the thermal exposure: the cameras are not triggered together
FRAMES_OF_A_PROCESS = 6  # to start one and generate its scene takes as long as to render so many
EVERY = 8  # pixels between those whose true position is kept


@dataclass(frozen=True, eq=False)
class Moment:
    """One pair of frames of a drive.

    Attributes:
        stamp: stamp of the visible frame, ns.
        skew: stamp of the thermal frame minus that of the visible frame, ns.
        truth: true correspondences.
    """

    stamp: int
    skew: int
    truth: TruePoints


@dataclass(frozen=True, eq=False)
class _View:
    visible: np.ndarray
    thermal: np.ndarray
    truth: TruePoints
    cameras: tuple[SyntheticCamera, SyntheticCamera]


def record_drive(
    path: Path,
    *,
    seed: int = 0,
    frames: int = 30,
    rate_hz: float = 5.0,
    night: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> tuple[Moment, ...]:
    """Render a drive along a synthetic street and record both cameras as a bag.

    The bag holds ``/rgb/image`` (bgr8), ``/thermal/image`` (16UC1, hundredths of a kelvin) and both
    camera_info topics. Equal arguments give equal messages.

    Args:
        path: the bag to write, ``NAME.mcap``.
        seed: seed of the street.
        frames: number of frames of each camera.
        rate_hz: frame rate, Hz.
        night: whether the drive is at night.
        on_frame: called for each pair, for a progress bar.

    Raises:
        DistillMatchError: the bag exists already, or cannot be written.
    """
    rng = np.random.default_rng([seed, frames])
    skews = rng.normal(MEAN_SKEW, SKEW_STD, frames).round().astype(int).tolist()
    times = [number / rate_hz for number in range(frames)]
    moments = []
    with _mapping(frames) as mapped, BagWriter(path, ros2_types()) as writer:
        views = mapped(_render, [seed] * frames, [night] * frames, times)
        for time, skew, view in zip(times, skews, views, strict=True):
            moment = Moment(START + round(time * 1e9), skew, view.truth)
            _write(writer, moment, view)
            moments.append(moment)
            on_frame()
    return tuple(moments)


@contextmanager
def _mapping(frames: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map`, in several processes if there are frames enough for them."""
    processes = min(usable_cores(), frames // FRAMES_OF_A_PROCESS)
    if processes < 2:
        yield map
        return
    # Spawned: forking a process with threads may deadlock.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        yield workers.map


@lru_cache(maxsize=1)
def _scene(seed: int, night: bool) -> Scene:
    return Scene(seed, night=night)  # cached: generating a scene takes a second


def _render(seed: int, night: bool, time: float) -> _View:
    pair = _scene(seed, night).render(time)
    cameras = (pair.visible_camera, pair.thermal_camera)
    return _View(pair.visible, pair.thermal, TruePoints.of(pair, EVERY), cameras)


def _write(writer: BagWriter, moment: Moment, view: _View) -> None:
    messages = ros2_messages()
    visible = Frame(view.visible, "bgr8", moment.stamp, RGB_FRAME)
    thermal = Frame(view.thermal, "16UC1", moment.stamp + moment.skew, THERMAL_FRAME)
    for frame, topic, info, camera in (
        (visible, RGB, RGB_INFO, view.cameras[0]),
        (thermal, THERMAL, THERMAL_INFO, view.cameras[1]),
    ):
        message = messages.image(frame)
        writer.write(info, frame.stamp + TRANSPORT, _camera_info(camera, message.header))
        writer.write(topic, frame.stamp + TRANSPORT, message)


def _camera_info(camera: SyntheticCamera, header: Any) -> Any:
    types = ros2_types().types
    return types["sensor_msgs/msg/CameraInfo"](
        header=header,
        **Camera(camera.size[::-1], camera.matrix).camera_info(),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
    )
