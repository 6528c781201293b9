"""Whether the two images of a pair show one moment, by how the pictures of both cameras move.

A late image registers as well as any other while the cameras pan, but its homography swings with the motion,
which shows within a second. The speeds of both pictures tell the latency too, without any homography, in some
seconds.
"""

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, jacobian
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.motion import WIDTH, MotionMeter, TimeOffset, time_offset
from distillmatch_ros.rig.swing import LIKELY_S, Swing

LEAST_S = 0.04
"""Least latency that is told, s: the time of a frame, which pairing cannot better."""
SWING_PX = 10.0
"""Displacement by the latency, reference pixels, from which on a pair's own homography is not believed: it is
rather wrong than right."""
FEARED_PX, PATIENCE_S = 20.0, 1.5
"""The same by a latency of which nothing is known, and time after the first homography for which it is
feared, s. Cameras that start to turn tell it at once, those that turn already once their speed changes."""

_EVERY_S = 0.09  # between measured images
_FIRST_S, _LONGEST_S = 2.0, 30.0  # between estimates: each time half as long again, as they take time
_KEPT = 150  # latest speeds
_SPAN_S = 1.5  # of pairs that tell a latency exactly enough to be said; less suffices to doubt
_CERTAIN_S = 0.04  # standard deviation


class LatencyWatch:
    """Estimates how late one camera's images are within pairs. Must be used by one thread."""

    def __init__(self) -> None:
        """Start without pairs."""
        self.events: list[RigEvent] = []
        """What was found, oldest first."""
        self._forget()

    def _forget(self) -> None:
        self._visible, self._thermal = MotionMeter(_KEPT), MotionMeter(_KEPT)
        self._measured = self._estimated = 0
        self._pause = _FIRST_S
        self._swing = Swing()
        self._swung: TimeOffset | None = None
        self._feared_s = LIKELY_S
        self._first: int | None = None
        self._found: TimeOffset | None = None

    def update(self, pair: PreparedPair, stamp: int) -> None:
        """Add a pair of new images, with its stamp in ns."""
        since = (stamp - self._measured) / SECOND
        if since < 0:
            self._forget()
        if 0 <= since < _EVERY_S:
            return
        self._measured = stamp
        measured = [
            meter.add(image.picture, stamp)
            for meter, image in ((self._visible, pair.visible), (self._thermal, pair.thermal))
        ]
        if not all(measured):
            self._swing.clear()
        if stamp - self._estimated < self._pause * SECOND:
            return
        self._estimated, self._pause = stamp, min(1.5 * self._pause, _LONGEST_S)
        found = time_offset(self._visible.speeds, self._thermal.speeds)
        if found is not None and found.deviation < _CERTAIN_S:
            known, self._found = self._found, found
            if self.offset is found and (known is None or _in_order(known)):
                self._tell(found, stamp, "the motion of both pictures")

    def heed(self, mapping: ImageMapping, stamp: int) -> None:
        """Take the mapping that was found for the pair which was added last."""
        if stamp != self._measured:
            return
        thermal, visible = mapping.thermal_size, mapping.visible_size
        scale = REFERENCE_WIDTH / visible[1]
        middle = ((thermal[1] - 1) / 2, (thermal[0] - 1) / 2)
        self._swing.add(
            stamp / SECOND,
            self._visible.way * REFERENCE_WIDTH / WIDTH,
            self._thermal.way,
            mapping.to_visible(np.array([middle]))[0] * scale,
            jacobian(mapping.homography, middle) * scale * thermal[1] / WIDTH,
        )
        swung, known = self._swing.offset(self._swung), self.offset
        is_weak = swung is not None and _in_order(swung)
        if known is None or swung is None or not is_weak or swung.differs_from(known.seconds):
            self._swung = swung  # else it might be none, but denies nothing that is known
        self._first = stamp if self._first is None else self._first
        is_early = stamp - self._first < PATIENCE_S * SECOND
        self._feared_s = self._swing.longest() if is_early and self._feared_s > 0 else 0.0
        if not self.events and self.offset is not None and self._swing.span_s >= _SPAN_S:
            self._tell(self.offset, stamp, "how the homography swings with the motion")

    def _tell(self, offset: TimeOffset, stamp: int, evidence: str) -> None:
        self.events.append(RigEvent(stamp, Finding.LATE, _sentence(offset, evidence)))

    @property
    def offset(self) -> TimeOffset | None:
        """What is to be added to ``thermal_offset``; None if images of a pair show one moment, or unknown."""
        known = [each for each in (self._found, self._swung) if each is not None]
        surest = min(known, key=lambda each: each.deviation, default=None)
        return None if surest is None or _in_order(surest) else surest

    @property
    def swing_px(self) -> float:
        """How far the latency displaces the present pair's homography, reference pixels; 0 without one."""
        if (offset := self.offset) is None:
            return 0.0
        displaced = self._swing.displacement_px(offset.seconds)
        return self._fastest_px * abs(offset.seconds) if displaced is None else displaced

    @property
    def displacement_px(self) -> float:
        """The same, also by a latency that is only suspected: too little for a rejection or a sentence."""
        if self.offset is not None:
            return self.swing_px
        suspected = self._swing.suspected()
        return 0.0 if suspected is None else self._swing.displacement_px(suspected.seconds) or 0.0

    def doubt(self, *, rig_is_known: bool) -> Rejection | None:
        """Why the present pair's own homography is not believed; None if it is.

        Args:
            rig_is_known: whether it agrees with a rig: then nothing is feared of which nothing is known.
        """
        if (swing := self.swing_px) > SWING_PX:
            return Rejection("latency", swing, SWING_PX)
        is_open = self._found is None and self._swung is None and not rig_is_known
        turns = self._visible.is_clear and self._thermal.is_clear
        feared = self._fastest_px * self._feared_s if is_open and turns else 0.0
        return Rejection("unknown_latency", feared, FEARED_PX) if feared > FEARED_PX else None

    @property
    def _fastest_px(self) -> float:
        """Greatest speed of the latest pictures, reference pixels per s."""
        speeds = self._visible.speeds
        if not len(speeds):
            return 0.0
        return float(np.hypot(*speeds[-3:, 1:].T).max()) * REFERENCE_WIDTH / WIDTH


def _in_order(offset: TimeOffset) -> bool:
    return not offset.differs_from(0.0) or abs(offset.seconds) <= LEAST_S


def _sentence(offset: TimeOffset, evidence: str) -> str:
    late, other = ("thermal", "visible") if offset.seconds < 0 else ("visible", "thermal")
    return (
        f"{late} images are {abs(offset.seconds):.2f} s later than the {other} ones of their pairs "
        f"(±{offset.deviation:.2f} s, by {evidence}): add {offset.seconds:+.3f} to "
        "thermal_offset; until then no homography is believed while the cameras turn"
    )
