"""Diagnoses why frames find no partner, by stamps and times of receipt, and finds settings that help.

Settings are verified: each candidate is tried on the recorded times, and those that make pairs are suggested.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.stream.assembly import make_synchroniser
from distillmatch_ros.stream.clocks import Clocks, compare, scatter
from distillmatch_ros.stream.parameters import ARRIVAL, Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import Synchroniser
from distillmatch_ros.stream.waiting import Arrival

FEW = 0.5
"""Fraction of frames without the partner they should have, from which on there is a warning."""
REMEMBERED = 2000
"""Number of latest frames of each sensor whose times a running node keeps."""
TRIED = 300
"""Number of frames of each sensor on which a setting is tried."""
JUMP = SECOND
"""Difference between the advance of stamps and of times of receipt from which on a clock was set, ns."""
GOOD = 0.9
"""Pairs, as a fraction of those of the best setting, from which on another setting is as good."""

_BY_ARRIVAL: dict[str, Any] = {"pairing": ARRIVAL, "thermal_offset": 0.0}
_Times = NDArray[np.int64]


class Timing:
    """Stamps and times of receipt of both sensors' frames. Must be used by one thread at a time."""

    def __init__(self, remembered: int | None = None) -> None:
        """Start without frames.

        Args:
            remembered: number of latest frames to keep of each sensor; all if None.
        """
        self._stamps: dict[Sensor, deque[int]] = {sensor: deque(maxlen=remembered) for sensor in MATCHED}
        self._received: dict[Sensor, deque[int]] = {sensor: deque(maxlen=remembered) for sensor in MATCHED}

    def receive(self, sensor: Sensor, stamp: int, received: int) -> None:
        """Add a received frame; both times in ns."""
        self._stamps[sensor].append(stamp)
        self._received[sensor].append(received)

    def jumped(self, sensor: Sensor, stamp: int, received: int) -> bool:
        """Whether a clock was set, or a stream restarted, since the last frame of a sensor; times in ns."""
        if not self._stamps[sensor]:
            return False
        advanced = stamp - self._stamps[sensor][-1], received - self._received[sensor][-1]
        return abs(advanced[0] - advanced[1]) > JUMP

    def reset(self) -> None:
        """Discard all frames."""
        for times in (*self._stamps.values(), *self._received.values()):
            times.clear()

    def clocks(self) -> Clocks | None:
        """Comparison of the clocks; None unless both sensors have frames with advancing stamps."""
        if not all(self._stamps.values()) or any(self.standing(sensor) is not None for sensor in MATCHED):
            return None
        visible, thermal = (
            (np.array(self._stamps[sensor], np.int64), np.array(self._received[sensor], np.int64))
            for sensor in MATCHED
        )
        return compare(visible, thermal)

    def standing(self, sensor: Sensor) -> int | None:
        """The stamp, ns, that most frames of a sensor share; None if their stamps advance."""
        stamps = np.array(self._stamps[sensor], np.int64)
        if len(stamps) < 2:
            return 0 if len(stamps) and stamps[0] == 0 else None
        values, counts = np.unique(stamps, return_counts=True)
        most = int(counts.argmax())
        return int(values[most]) if counts[most] > FEW * len(stamps) else None

    def unpaired(self, pairs: int, fewest: int, parameters: Parameters) -> str | None:
        """Why frames find no partner, the setting that would help, and its certainty.

        Args:
            pairs: number of pairs found.
            fewest: number of frames of the sensor with fewer frames.
            parameters: parameters of the pairing.

        Returns:
            One line of text; None if enough frames found a partner.
        """
        if pairs > FEW * fewest:
            return None
        found = f"only {pairs} of {fewest} frames find a partner" if pairs else "no pairs"
        return f"{found}: {self._reason(parameters)}"

    def helpful(self, parameters: Parameters) -> dict[str, Any]:
        """The setting that makes the most pairs of these frames; empty if none helps."""
        if not all(self._stamps.values()) or self._apart() is not None:
            return {}
        usable = all(self._evenly_received(sensor) for sensor in MATCHED)
        trial = _Trial(self._stamps, self._received)
        return next(iter(trial.helpful(parameters, self._candidates(parameters, self.clocks(), usable))), {})

    def _reason(self, parameters: Parameters) -> str:
        for sensor in MATCHED:
            if not self._stamps[sensor]:
                return f"no image of the {sensor} camera came; check its topic and its driver"
        apart = self._apart()
        if apart is not None:
            return apart
        trial = _Trial(self._stamps, self._received)
        clocks, usable = self.clocks(), all(self._evenly_received(sensor) for sensor in MATCHED)
        helpful = trial.helpful(parameters, self._candidates(parameters, clocks, usable))
        by_arrival = trial.pairs(parameters.changed(_BY_ARRIVAL))
        evidence = f"times of receipt are {'usable' if usable else 'unusable'}: by them "
        evidence += f"{by_arrival} of {trial.fewest} frames pair"
        still = self._standing()
        if still:
            return f"{still}, {_set(helpful, parameters)} ({evidence})"
        if clocks is not None:
            evidence = f"{_certainty(clocks, usable)}; {evidence}"
            ahead = abs(clocks.offset + parameters.thermal_offset)
            if parameters.pairing != ARRIVAL and ahead > parameters.tolerance:
                return f"stamps are {ahead:.3g} s apart, {_set(helpful, parameters)} ({evidence})"
        times = "received" if parameters.pairing == ARRIVAL else "stamped"
        return f"none is {times} within {parameters.tolerance:g} s; {_set(helpful, parameters)} ({evidence})"

    def _evenly_received(self, sensor: Sensor) -> bool:
        """Whether frames were received one by one at the camera's rate, and not in bursts."""
        intervals = np.diff(np.array(self._received[sensor], np.int64))
        if len(intervals) < 2:
            return True
        usual = float(np.median(intervals))
        return usual > 0 and scatter(intervals.astype(np.float64) - usual) < usual / 2

    def _standing(self) -> str:
        sensors = {sensor: self.standing(sensor) for sensor in MATCHED}
        named = [
            f"{sensor} stamps are constant at {stamp / SECOND:g} s"
            for sensor, stamp in sensors.items()
            if stamp is not None
        ]
        return " and ".join(named) + (": the driver does not stamp its images" if named else "")

    def _apart(self) -> str | None:
        """Text for recordings in which all frames of one sensor are later than those of the other."""
        first, second = sorted(MATCHED, key=lambda sensor: self._received[sensor][0])
        gap = (self._received[second][0] - self._received[first][-1]) / SECOND
        if gap <= 1.0:
            return None
        return (
            f"the first image of the {second} camera came {gap:.1f} s after the last one of the {first} "
            "camera; record both at the same time"
        )

    def _candidates(
        self, parameters: Parameters, clocks: Clocks | None, usable: bool
    ) -> Iterator[dict[str, Any]]:
        """Settings that may help, the most probable first."""
        visible, thermal = (np.sort(np.array(self._stamps[sensor], np.int64)) for sensor in MATCHED)
        nearest_gaps = _nearest_gaps(visible, thermal)
        current = parameters.thermal_offset
        needed = {"tolerance": round(1.2 * float(np.quantile(np.abs(nearest_gaps - current), 0.95)), 3)}
        agree = usable and clocks is not None and abs(clocks.offset + current) <= parameters.tolerance
        if agree:
            yield {"pairing": "stamp"}
            yield needed
        if clocks is not None and clocks.drifts:
            yield _BY_ARRIVAL
        offsets = [] if clocks is None else [-clocks.offset]
        offsets += [float(np.median(nearest_gaps)), float(visible[0] - thermal[0]) / SECOND]
        for offset in [] if agree else offsets:
            yield {"pairing": "stamp", "thermal_offset": round(offset, 3)}
        yield _BY_ARRIVAL
        if not agree:
            yield needed


class _Trial:
    """A section of the frames on which settings are tried."""

    def __init__(self, stamps: dict[Sensor, deque[int]], received: dict[Sensor, deque[int]]) -> None:
        begin = max(times[0] for times in received.values()) - SECOND // 2
        self._arrivals = []
        for sensor in MATCHED:
            arrivals = [
                (each, stamp, sensor)
                for stamp, each in zip(stamps[sensor], received[sensor], strict=True)
                if each >= begin
            ]
            self._arrivals.append(arrivals[:TRIED])
        self.fewest = min(map(len, self._arrivals))

    def pairs(self, parameters: Parameters) -> int:
        """Number of pairs with these parameters."""
        synchroniser: Synchroniser[None] = make_synchroniser(parameters)
        pairs = 0
        for received, stamp, sensor in merge(*self._arrivals):
            pairs += len(synchroniser.add(sensor, Arrival(stamp, received, None)))
        return pairs + len(synchroniser.flush())

    def helpful(self, parameters: Parameters, candidates: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Settings that make about as many pairs as the best one: at most two, of different kinds."""
        tried = [
            (self.pairs(parameters.changed(change)), change)
            for change in candidates
            if any(getattr(parameters, name) != value for name, value in change.items())
            and abs(change.get("thermal_offset", 0.0)) <= 1e10
            and change.get("tolerance", 0.0) <= 1.0  # frames further apart show different scenes
        ]
        best = max((pairs for pairs, _ in tried), default=0)
        if best <= FEW * self.fewest:
            return []
        chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
        for pairs, change in tried:
            if pairs >= GOOD * best:
                chosen.setdefault((change.get("pairing"), "tolerance" in change), change)
        return list(chosen.values())[:2]


def _set(changes: list[dict[str, Any]], parameters: Parameters) -> str:
    """Format settings as advice."""
    if not changes:
        return "no setting that was tried makes pairs of them, check the drivers' stamps and delivery"
    return "set " + " or ".join(" and ".join(_told(change, parameters)) for change in changes)


def _told(change: dict[str, Any], parameters: Parameters) -> Iterator[str]:
    for name, value in change.items():
        if name == "pairing" and value != parameters.pairing:
            yield f"pairing: {value}"
        elif name != "pairing" and value != getattr(parameters, name):
            yield f"{name} to {value:.3f}"


def _certainty(clocks: Clocks, usable: bool) -> str:
    if not usable:
        return "an offset of stamps alone may be off by whole frames"
    text = f"offset known to ±{max(clocks.offset_std, 1e-6) * 1e3:.2g} ms"
    if clocks.drifts:
        text += f"; the thermal clock drifts by {clocks.drift_ppm:+.0f} ±{clocks.drift_std_ppm:.1g} ppm"
    return text


def _nearest_gaps(visible: _Times, thermal: _Times) -> NDArray[np.float64]:
    """Nearest visible time minus thermal time for each thermal time, s; both (N,) ns, sorted."""
    after = np.clip(np.searchsorted(visible, thermal), 1, max(len(visible) - 1, 1))
    candidates = np.stack([visible[after - 1], visible[np.minimum(after, len(visible) - 1)]]) - thermal
    nearest = np.abs(candidates).argmin(0)
    return np.asarray(candidates[nearest, np.arange(len(thermal))] / SECOND)
