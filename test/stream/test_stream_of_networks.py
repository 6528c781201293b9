"""The stream with real networks: the same frames give the same results, and a street that is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.rig_frames import SECOND, frames
from support.scripted_engine import THERMAL
from support.tiny_network import WriteNetwork

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base import resources
from distillmatch_ros.engines import Engine, open_engine
from distillmatch_ros.engines.protocol import Float32, RawMatches
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.registrar import SHIPPED_MODEL
from distillmatch_ros.scene import Scene, SyntheticPair
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode


def frames_of_one_view(number: int) -> tuple[Frame, Frame]:
    """A pair of cameras that see the same, as the tiny network believes."""
    visible, thermal = frames(number)
    raw = cv2.resize(visible.image[..., 1], THERMAL[::-1], interpolation=cv2.INTER_AREA)
    return visible, replace(thermal, image=raw.astype(np.uint16) * 4 + 7000 + number)


def fingerprint(result: Result) -> tuple[object, ...]:
    registered, found = result.registered_thermal(), result.registration
    return (
        found.status,
        None if found.homography is None else found.homography.tobytes(),
        found.visible_points.tobytes(),
        None if registered is None else registered.image.tobytes(),
        result.overlay().image.tobytes(),
    )


@pytest.mark.slow
def test_the_same_frames_give_the_same_results_also_when_pictures_come_later(
    write_network: WriteNetwork,
) -> None:
    network = write_network()
    settings = StreamSettings(mode=Mode.HOLD, smoothing=0.3, verify_every=4)

    def run() -> list[Result]:
        with Registrar.open(network, backend="onnx", threads=1) as registrar:
            stream = Stream(registrar, settings)
            return [stream.process(*frames_of_one_view(number)) for number in range(8)]

    with Registrar.open(network, backend="onnx", threads=1) as registrar:
        stream = Stream(registrar, settings)
        at_once = [fingerprint(stream.process(*frames_of_one_view(number))) for number in range(8)]
    assert at_once[0][0] is Status.OK
    assert [fingerprint(result) for result in run()] == at_once


def median_error(homography: np.ndarray, pair: SyntheticPair) -> float:
    """Visible pixels, over all thermal pixels whose place is known."""
    rows, columns = np.nonzero(np.isfinite(pair.truth[..., 0]))
    gaps = transform(homography, np.column_stack([columns, rows])) - pair.truth[rows, columns]
    return float(np.median(np.hypot(*gaps.T)))


class CountingEngine:
    """An engine that tells how often it looked."""

    def __init__(self, engine: Engine) -> None:
        self.info, self.close = engine.info, engine.close
        self.passes = 0
        self._engine = engine

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        self.passes += 1
        return self._engine(visible, thermal)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_drive_with_the_shipped_network() -> None:
    """Priors, filter and calibration against the geometry of a street that is driven to and fro."""
    scene = Scene(1)
    views = [scene.render(0.1 * step) for step in range(3)]
    engine = CountingEngine(open_engine(resources.find(SHIPPED_MODEL), threads=1))
    with Registrar(engine) as registrar:
        stream = Stream(
            registrar, StreamSettings(mode=Mode.HOLD, smoothing=0.5, verify_every=6, pass_seconds=0)
        )
        for number, step in enumerate((0, 1, 2, 1, 0, 1, 2, 1, 0, 1)):
            pair, stamp = views[step], number * SECOND // 10
            found = stream.process(
                Frame(pair.visible, "bgr8", stamp, "rgb"), Frame(pair.thermal, "16UC1", stamp, "thermal")
            ).registration
            assert found.status is Status.OK
            assert found.homography is not None
            assert median_error(found.homography, pair) < 6
        calibration = stream.calibration()
    assert 10 <= engine.passes <= 12  # one a pair; maybe two where nothing was known or had to be verified
    assert median_error(calibration.homography, pair) < 6
