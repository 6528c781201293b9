"""What of a bag could not be read: which file, which time, how many messages, why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from typing_extensions import TypedDict

from distillmatch_ros.base.units import SECOND

ALL = "all topics together"
"""Stands for a topic where only the sum is known."""


class LossRecord(TypedDict):
    """What could not be read, as a JSON object.

    Attributes:
        file: name of the file.
        reason: why, for people.
        messages: how many are missing, by topic; null if nobody knows.
        start: time of receipt from which on they are missing, s; null if nobody knows.
        end: the last such time, s.
    """

    file: str
    reason: str
    messages: dict[str, int] | None
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Loss:
    """Messages that are missing, or damage behind which there may be some.

    Attributes:
        file: name of the file.
        reason: why, for people.
        messages: how many are missing, by topic; None if nobody knows.
        start: time of receipt from which on they are missing, ns; None if nobody knows.
        end: the last such time.
        position: where in the file, bytes; tells two losses of one file apart.
    """

    file: str
    reason: str
    messages: Mapping[str, int] | None = None
    start: int | None = None
    end: int | None = None
    position: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """The same for the same damage, however often it is met."""
        return self.file, self.position

    def with_(self, other: "Loss") -> "Loss":
        """This loss, with what another reading of the same place missed."""
        if self.messages is None or other.messages is None:
            return self
        return replace(self, messages={**self.messages, **other.messages})

    def __str__(self) -> str:
        if self.messages is None:
            lost = "what is lost is not known"
        elif not self.messages:
            lost = "no message is lost"
        else:
            lost = "lost: " + ", ".join(f"{count} of {topic}" for topic, count in self.messages.items())
        return f"{self.file} {self.reason}; {lost}{self._when()}"

    def _when(self) -> str:
        if self.start is None or self.end is None:
            return ""
        return f", received from {self.start / SECOND:.3f} to {self.end / SECOND:.3f} s"

    def record(self) -> LossRecord:
        """The loss as a JSON object; times in seconds."""
        return {
            "file": self.file,
            "reason": self.reason,
            "messages": None if self.messages is None else dict(self.messages),
            "start": None if self.start is None else self.start / SECOND,
            "end": None if self.end is None else self.end / SECOND,
        }
