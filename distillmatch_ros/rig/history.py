"""What a drive told of its rig: which one was used, since when, and what happened to it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from typing_extensions import TypedDict

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.rig.events import DOUBTS, Finding, RigEvent
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.watching import WatchedRig

Use = Literal["maps", "guards"]
"""What a known rig is for: it maps all pairs, or those that fail alone, while it guards the others."""


_USES: Mapping[str, Use] = {"maps": "maps", "guards": "guards"}
_FIGURES = {"passes": "rig passes", "distance_px": "rig distance [px]", "turned_degrees": "rig turned [deg]"}
"""Names of an event's figures in diagnostics."""
_OBSTACLE = "rig obstacle"


def use_of(known: WatchedRig | None) -> Use | None:
    """What a rig is for; None without one."""
    return None if known is None else "maps" if known.is_preferred else "guards"


def rig_figures(event: RigEvent | None, use: Use | None) -> Iterator[tuple[str, str]]:
    """The last event of a rig, and what the known one is for, as the node's diagnostics tell them."""
    yield "rig", "" if event is None else event.sentence
    yield "rig finding", "" if event is None else event.finding.value
    yield "rig use", use or ""
    for key, name in _FIGURES.items():
        if event is not None and (value := getattr(event, key)) is not None:
            yield name, f"{value:g}"
    if event is not None and event.obstacle is not None:
        yield _OBSTACLE, event.obstacle.value


class RigEventRecord(TypedDict):
    """An event of a rig as a JSON object.

    Attributes:
        seconds: since the first pair.
        finding: its kind, see `Finding`.
        sentence: what was found, for people.
        passes: passes over pairs with a homography until then; null where passes do not decide.
        distance_px: between the rig and what told it, in a visible image 640 px wide; null if unknown.
        turned_degrees: by which the thermal image is turned, for a rig that moved; null otherwise.
        obstacle: what keeps pairs from being those of one rig, see `Obstacle`; null if nothing is named.
    """

    seconds: float
    finding: str
    sentence: str
    passes: int | None
    distance_px: float | None
    turned_degrees: float | None
    obstacle: str | None


class RigHistoryRecord(TypedDict):
    """What a drive told of its rig, as a JSON object.

    Attributes:
        mode: parameter of the stream.
        file: the rig or calibration that was given; null if none was.
        use: what the rig that was known last is for: maps, guards; null if none was known.
        passes: number of passes that it was learned from; 0 if it is that of the file.
        rig: the rig, as in a rig's file; null likewise.
        events: what was found, in the order of time.
    """

    mode: str
    file: str | None
    use: Use | None
    passes: int
    rig: dict[str, Any] | None
    events: list[RigEventRecord]


@dataclass(frozen=True)
class DriveEvent:
    """An event at a time of a drive; see `RigEventRecord`."""

    seconds: float
    finding: str
    sentence: str
    passes: int | None = None
    distance_px: float | None = None
    turned_degrees: float | None = None
    obstacle: str | None = None

    def record(self) -> RigEventRecord:
        """As a JSON object."""
        return cast(RigEventRecord, asdict(self))


@dataclass(frozen=True, eq=False)
class RigHistory:
    """What a drive told of its rig; see `RigHistoryRecord`. `UNTOLD` stands for one that told nothing."""

    mode: str
    file: str | None = None
    use: Use | None = None
    passes: int = 0
    rig: LearnedRig | None = None
    events: Sequence[DriveEvent] = ()

    @classmethod
    def of(
        cls, mode: str, file: str | None, known: WatchedRig | None, events: Sequence[RigEvent], begin: int
    ) -> "RigHistory":
        """Of a stream after its last pair.

        Args:
            mode: parameter of the stream.
            file: path of the rig or calibration that was given.
            known: the rig that is relied on at the end.
            events: what was found.
            begin: stamp of the first pair, ns.
        """
        use = use_of(known)
        told = [
            DriveEvent(
                max(0.0, round((event.stamp - begin) / SECOND, 3)),
                event.finding.value,
                event.sentence,
                event.passes,
                event.distance_px,
                event.turned_degrees,
                None if event.obstacle is None else event.obstacle.value,
            )
            for event in sorted(events, key=lambda event: event.stamp)
        ]
        rig, passes = (None, 0) if known is None else (known.rig, known.passes)
        return cls(mode, file, use, passes, rig, told)

    @classmethod
    def of_figures(cls, told: Iterable[tuple[float, Mapping[str, str]]]) -> "RigHistory":
        """What diagnostics of a node told, with the time of each since the first pair."""
        events: list[DriveEvent] = []
        use: Use | None = None
        for seconds, figures in told:
            finding, sentence = figures.get("rig finding", ""), figures.get("rig", "")
            use = _USES.get(figures.get("rig use", ""))
            if finding and (not events or events[-1].sentence != sentence):
                try:
                    values = {key: float(figures[name]) for key, name in _FIGURES.items() if name in figures}
                except ValueError:  # it was not this node
                    continue
                passes = values.pop("passes", None)
                number = None if passes is None else int(passes)
                at, obstacle = max(0.0, round(seconds, 3)), figures.get(_OBSTACLE)
                events.append(DriveEvent(at, finding, sentence, number, **values, obstacle=obstacle))
        known = [event.passes or 0 for event in events if event.finding == Finding.KNOWN]
        return cls("rig", use=use, passes=known[-1] if known else 0, events=events) if events else UNTOLD

    @property
    def is_told(self) -> bool:
        """Whether the drive told anything."""
        return bool(self.mode)

    @property
    def mapping_rig(self) -> LearnedRig | None:
        """The rig that maps all pairs, from `known` on; None if none does, or only guards them."""
        return self.rig if self.use == "maps" else None

    @property
    def known(self) -> DriveEvent | None:
        """When the rig that was used last became known; None if none did, or it was given for mode fixed."""
        found = [event for event in self.events if event.finding == Finding.KNOWN]
        return found[-1] if found and self.use is not None else None

    @property
    def changed_use(self) -> DriveEvent | None:
        """When the rig that was used last got its present use; None if it has had it since it is known."""
        found = [event for event in self.events if event.finding in (Finding.KNOWN, Finding.USE)]
        return found[-1] if found and found[-1].finding == Finding.USE else None

    @property
    def knocks(self) -> list[DriveEvent]:
        """When the cameras moved against each other."""
        return [event for event in self.events if event.finding == Finding.MOVED]

    @property
    def obstacle(self) -> DriveEvent | None:
        """The last event that names what keeps the pairs from being those of one rig; None if none does.

        What a rig was tried in vain for does not count once one is known; what ended a known one does.
        """
        named = [event for event in self.events if event.obstacle is not None]
        counted = [event for event in named if self.use is None or event.finding == Finding.MOVED]
        return counted[-1] if counted else None

    @property
    def is_doubted(self) -> bool:
        """Whether images speak against the calibration or the rig that was given."""
        return any(event.finding in DOUBTS for event in self.events)

    def record(self) -> RigHistoryRecord | None:
        """As a JSON object; None if nothing was told."""
        return (
            None
            if not self.is_told
            else {
                "mode": self.mode,
                "file": self.file,
                "use": self.use,
                "passes": self.passes,
                "rig": None if self.rig is None else RigFile.of(self.rig, self.passes).record(),
                "events": [event.record() for event in self.events],
            }
        )

    @classmethod
    def of_record(cls, record: Mapping[str, Any] | None) -> "RigHistory":
        """Make it from what `record` gave; `UNTOLD` if that is nothing, or of another version.

        Recordings are damaged at times, and older than the program that reads them.
        """
        if record is None:
            return UNTOLD
        try:
            rig = None if record["rig"] is None else RigFile.of_record(record["rig"]).rig
            events = [DriveEvent(**event) for event in record["events"]]
            return cls(record["mode"], record["file"], record["use"], record["passes"], rig, events)
        except (KeyError, TypeError, ValueError):
            return UNTOLD


UNTOLD = RigHistory("")
"""What a drive told that told nothing of its rig, or whose recording does not hold it."""
