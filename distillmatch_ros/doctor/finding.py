"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

OK: Literal["ok"] = "ok"
NOTE: Literal["note"] = "note"
FAULT: Literal["fault"] = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what it is about, such as ``Python``.
        value: what was found.
        state: ``ok``; ``note``: something is absent that not everyone needs, or could be better; ``fault``:
            something will not work.
        remedy: what to do about it, or what else is to be known.
    """

    about: str
    value: str
    state: Literal["ok", "note", "fault"] = OK
    remedy: str | None = None
