"""Long and repeated use: memory, files and threads stay as they are, and the answers too.

Time is simulated: stamps advance at 30 Hz, and nothing waits for them. DISTILLMATCH_SOAK_FRAMES sets how many
frames are processed, 216000 for two hours.
"""

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bags import texture

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.scene import render_pair
from distillmatch_ros.stream.assembly import make_synchroniser, open_stream
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.timing import REMEMBERED, Timing
from distillmatch_ros.stream.waiting import Arrival

FRAMES = int(os.environ.get("DISTILLMATCH_SOAK_FRAMES", "450"))
RATE = 30
START = 100 * SECOND


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")


LAP = 450
"""Frames of a lap: most of one street, then some of another one beside it, then a frozen thermal image."""
LOST, FROZEN = 400, 404


def lap_images() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Visible and thermal images of a lap, 160x128."""
    streets = [render_pair(seed) for seed in (0, 2)]
    visible, other = (
        cv2.resize(street.visible, (160, 128), interpolation=cv2.INTER_AREA) for street in streets
    )
    thermal = cv2.resize(streets[0].thermal, (160, 128), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).integers(0, 4, (LAP, 128, 160), np.uint16)
    noise[FROZEN:] = noise[FROZEN]
    return [other if LOST <= at < FROZEN else visible for at in range(LAP)], list(thermal + noise)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@needs_proc
def test_two_hours_of_stream() -> None:
    parameters = Parameters().changed({"mode": "hold", "smoothing": 0.5, "pass_seconds": 5.0})
    images = dict(zip(MATCHED, lap_images(), strict=True))
    encodings = {Sensor.VISIBLE: "bgr8", Sensor.THERMAL: "16UC1"}
    with Registrar.open(backend="onnx", threads=1) as registrar:
        stream, synchroniser = open_stream(parameters, registrar), make_synchroniser(parameters)
        timing, statuses = Timing(REMEMBERED), Counter[Status]()
        settled = (0, 0, 0)
        for index in range(FRAMES):
            stamp = START + index * SECOND // RATE
            for sensor in MATCHED:
                timing.receive(sensor, stamp, stamp)
                for pair in synchroniser.add(sensor, Arrival(stamp, stamp, index)):
                    frames = (
                        Frame(
                            images[sensor][arrival.item % LAP], encodings[sensor], arrival.stamp, sensor.value
                        )
                        for sensor, arrival in (
                            (Sensor.VISIBLE, pair.visible),
                            (Sensor.THERMAL, pair.thermal),
                        )
                    )
                    result = stream.process(*frames)
                    statuses[result.registration.status] += 1
                    if index % 10 == 0:
                        _ = result.matched(), result.overlay(), result.registered_thermal()
            if index == FRAMES // 3:
                settled = resident_kb(), open_files(), threading.active_count()
        assert statuses.total() >= FRAMES - 2
        assert statuses[Status.TRACKED] > 0.7 * FRAMES, statuses
        if FRAMES >= LAP:
            assert statuses[Status.STALE_THERMAL] and statuses[Status.HELD], statuses
        assert resident_kb() - settled[0] < 20_000
        assert (open_files(), threading.active_count()) == settled[1:]
    counts = synchroniser.counts
    for sensor in MATCHED:
        assert (
            counts.received[sensor]
            == counts.paired + sum(counts.dropped[sensor].values()) + counts.waiting[sensor]
        )


@pytest.mark.slow
@needs_proc
def test_a_thousand_times_opened_and_closed(write_network) -> None:
    network = write_network()
    settled = (0, 0, 0)
    for number in range(1000):
        with Registrar.open(network, "onnx", threads=1):
            pass
        if number == 200:
            settled = resident_kb(), open_files(), threading.active_count()
    assert resident_kb() - settled[0] < 20_000
    assert (open_files(), threading.active_count()) == settled[1:]


@pytest.mark.slow
def test_four_threads_get_what_one_gets(write_network) -> None:
    pairs = [(texture(number, (64, 80)), texture(number + 50, (64, 80))) for number in range(12)]
    with Registrar.open(write_network(), "onnx", threads=1) as registrar:
        alone = [registrar.register(*pair) for pair in pairs]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda pair: registrar.register(*pair), pairs * 4))
    for index, found in enumerate(together):
        expected = alone[index % len(pairs)]
        assert found.status is expected.status
        for name in ("visible_points", "thermal_points", "confidence", "inliers"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
