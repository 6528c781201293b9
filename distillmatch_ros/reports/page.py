"""The report as one self-contained HTML file that needs no network connection."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader

from distillmatch_ros.base.files import write_text
from distillmatch_ros.reports import contents
from distillmatch_ros.reports.movement import Movement, coverage, movement
from distillmatch_ros.reports.pictures import Views, views
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.reports.rendering import render
from distillmatch_ros.reports.rig import rig_figures
from distillmatch_ros.reports.selection import choose
from distillmatch_ros.reports.verdict import ReportRecord, Verdict, judge

TEMPLATE = "report.html.j2"


@dataclass(frozen=True, eq=False)
class Card:
    """A pair shown with pictures, and the reason for its selection."""

    entry: Entry
    why: str
    shift: float | None
    views: Views


class Report:
    """A recording with its verdict."""

    def __init__(
        self, recording: Recording, moved: Movement | None = None, verdict: Verdict | None = None
    ) -> None:
        """Judge a recording, unless it was judged; pictures are made only for the page.

        Args:
            recording: the recording.
            moved: its movement, if ``verdict`` is given.
            verdict: on the recording, by one who knows more than that.
        """
        self.recording = recording
        self.movement = movement(recording.entries, recording.rig) if verdict is None else moved
        self.verdict: Verdict = judge(recording, self.movement) if verdict is None else verdict

    def to_html(self, template: str = TEMPLATE, loader: BaseLoader | None = None, **more: Any) -> str:
        """The page as a complete HTML document.

        Args:
            template: ``report.html.j2``, or one that extends it.
            loader: loader of that template.
            more: further variables of that template.

        Raises:
            DistillMatchError: the images to show cannot be read.
        """
        recording = self.recording
        timed = recording.timed
        abscissa = "seconds" if timed else "pair"
        return render(
            template,
            {
                "title": recording.title,
                "about": recording.about,
                "problems": recording.problems,
                "verdict": self.verdict,
                "facts": contents.facts(recording, self.movement),
                "timed": timed,
                "lines": contents.lines(recording.entries),
                "charts": contents.charts(recording, abscissa),
                "rig": rig_figures(recording.rig),
                "by_rig": self.movement is not None and self.movement.by_rig,
                "drift": contents.drift(recording.entries, self.movement, abscissa),
                "coverage": contents.coverage_chart(recording.entries),
                "cards": self._cards(),
                "entries": recording.entries,
                "columns": contents.columns(recording.entries, self.movement),
                **more,
            },
            loader,
        )

    def record(self) -> ReportRecord:
        """The verdict and its figures as a JSON object."""
        entries, moved, verdict = self.recording.entries, self.movement, self.verdict
        return {
            "recording": self.recording.title,
            "level": verdict.level.value,
            "headline": verdict.headline,
            "reasons": list(verdict.reasons),
            "advice": [
                {"topic": each.topic, "seen": each.seen, "remedy": each.remedy} for each in verdict.advice
            ],
            "pairs": len(entries),
            "statuses": dict(Counter(entry.status for entry in entries)),
            "scatter_px": None if moved is None else round(moved.scatter, 3),
            "slip_px": None if moved is None else round(moved.slip, 3),
            "coverage": coverage(entries),
            "rig": self.recording.rig.record(),
            "problems": list(self.recording.problems),
        }

    def _cards(self) -> list[Card]:
        shifts = {} if self.movement is None else self.movement.by_number
        chosen = choose(self.recording.entries, shifts)
        images = self.recording.load([each.entry for each in chosen])
        return [
            Card(
                each.entry,
                each.why,
                shifts.get(each.entry.number),
                views(each.entry, images[each.entry.number], self.recording.temperature),
            )
            for each in chosen
            if each.entry.number in images
        ]


def write_report(report: Report, path: Path) -> None:
    """Write the page of a recording.

    Raises:
        DistillMatchError: it cannot be written, or the images cannot be read.
    """
    write_text(path, report.to_html())
