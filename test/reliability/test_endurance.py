"""Long and repeated use: memory, files and threads stay as they are, and the answers too.

Time is simulated: two hours at 30 Hz are stamps, not waiting. DISTILLMATCH_SOAK_FRAMES sets how many frames
are taken of them, 216000 for all.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.bags import texture

from distillmatch_ros import Registrar
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.stream.assembly import make_synchroniser, open_stream
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.synchroniser import Arrival, Side
from distillmatch_ros.stream.timing import REMEMBERED, Timing

FRAMES = int(os.environ.get("DISTILLMATCH_SOAK_FRAMES", "450"))
RATE = 30


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")


@pytest.mark.slow
@pytest.mark.timeout(7200)
@needs_proc
def test_two_hours_of_stream(write_network) -> None:
    parameters = Parameters().changed({"mode": "hold", "smoothing": 0.5})
    images = [texture(number, (64, 80)) for number in range(7)]
    with Registrar.open(write_network(), "onnx", threads=1) as registrar:
        stream, synchroniser = open_stream(parameters, registrar), make_synchroniser(parameters)
        timing = Timing(REMEMBERED)
        pairs, settled = 0, (0, 0, 0)
        for index in range(FRAMES):
            stamp = index * SECOND // RATE * (7200 * RATE // FRAMES)  # the clock runs so much faster
            for side in Side:
                timing.receive(side, stamp, stamp)
                for pair in synchroniser.add(side, Arrival(stamp, stamp, index)):
                    frames = (
                        Frame(images[(arrival.item + shift) % 7], "mono8", arrival.stamp, "camera")
                        for shift, arrival in enumerate((pair.visible, pair.thermal))
                    )
                    stream.process(*frames)
                    pairs += 1
            if index == FRAMES // 3:
                settled = resident_kb(), open_files(), threading.active_count()
        assert pairs >= FRAMES - 2
        assert resident_kb() - settled[0] < 20_000
        assert (open_files(), threading.active_count()) == settled[1:]
    counts = synchroniser.counts
    for side in Side:
        assert (
            counts.received[side] == counts.paired + sum(counts.dropped[side].values()) + counts.waiting[side]
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
