"""A rig whose homography is known, and a stream with an engine that is told it."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import cv2
import numpy as np
from support.edge_scenes import THERMAL, TRUTH, VISIBLE, blocks, thermal_of
from support.scripted_engine import NETWORK, Answer, ScriptedEngine, points_of

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.engines.protocol import Float32, RawMatches
from distillmatch_ros.geometry.homography import corner_error, resize_matrix
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream

FRAME = SECOND // 32
START = 100 * SECOND
SCENE = blocks(7)
SEEN = thermal_of(SCENE)


def truth(shift: float = 0.0) -> np.ndarray:
    """Where the thermal camera looks once its image has moved by so many pixels."""
    return TRUTH @ np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1]])


def pair(number: int, shift: float = 0.0, seen: np.ndarray = SEEN) -> tuple[Frame, Frame]:
    stamp = START + number * FRAME
    moved = cv2.warpAffine(
        seen, np.array([[1.0, 0, -shift], [0, 1, 0]]), THERMAL[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    generator = np.random.default_rng(number)
    noise = generator.integers(0, 40, THERMAL, np.uint16)
    scene = SCENE ^ generator.integers(0, 2, SCENE.shape, SCENE.dtype)  # no camera repeats itself to the bit
    return (
        Frame(scene, "mono8", stamp, "rgb"),
        Frame(moved.astype(np.uint16) * 20 + 7000 + noise, "16UC1", stamp, "thermal"),
    )


def answer(homography: np.ndarray) -> Answer:
    return points_of(resize_matrix(VISIBLE, NETWORK) @ homography @ resize_matrix(NETWORK, THERMAL))


class TrackedRig:
    """A stream with an engine that says where the thermal camera looks, as long as it is told to."""

    def __init__(
        self, asynchronous: bool = False, probability: Mock | None = None, **settings: object
    ) -> None:
        self.homography = truth()
        self.blind = False
        self.engine = ScriptedEngine(self._match)
        registrar = Registrar(self.engine, passes=1, probability=probability)
        self.stream = Stream(registrar, StreamSettings(**settings), asynchronous=asynchronous)
        self.before: Callable[[], object] = lambda: None

    def _match(self, visible: Float32, thermal: Float32) -> RawMatches:
        self.before()
        found = answer(self.homography)(visible, thermal)
        return replace(found, confidence=found.confidence * 0) if self.blind else found

    def process(self, number: int, shift: float = 0.0, seen: np.ndarray = SEEN) -> Result:
        return self.stream.process(*pair(number, shift, seen))

    @property
    def passes(self) -> int:
        return len(self.engine.shown)


def error(result: Result, shift: float = 0.0) -> float:
    assert result.registration.homography is not None, result.registration.status
    return corner_error(result.registration.homography, truth(shift), THERMAL, VISIBLE)


def statuses(results: list[Result]) -> list[Status]:
    return [result.registration.status for result in results]
