"""Output of an evaluation as table, Markdown and JSON."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation.accuracy import WRONG_PX, AccuracyReport, Score, TrialResult, Unreadable
from distillmatch_ros.evaluation.comparison import Comparison
from distillmatch_ros.evaluation.statistics import Group
from distillmatch_ros.evaluation.truth import CLICKED
from distillmatch_ros.registration.probability import RIGHT_PX

AUCS = ("AUC@3", "AUC@5", "AUC@10", "AUC@20")
COLUMNS = ("preset", "method", *AUCS, "median", "< 10 px", "rejected", "wrong")
LEGEND = (
    "AUC and < 10 px: percent; median: px; rejected: no homography; "
    f"wrong: off by more than {WRONG_PX:.0f} px"
)
QUALITY_COLUMNS = (
    *("preset", "outcome", "trials", "inliers", "ratio", "spread", "rms"),
    *("edges", "2nd", "prob."),
)
QUALITY_LEGEND = (
    f"Medians. right: off by less than {RIGHT_PX:.0f} px; ratio: of inliers; rms: px; edges: peak "
    "prominence; 2nd: ratio of the second peak; prob.: probability"
)
OUTCOMES = ("right", "off", "rejected")
GROUP_COLUMNS = ("preset", "method", "place", "trials", "< 10 px", "95 %", "AUC@10", "95 %")
GROUP_LEGEND = "Percent, with 95 % confidence intervals; trials of one pair count as one"
COMPARISON_COLUMNS = ("preset", "answer", "trials", "both", "this", "that", "difference", "95 %", "p")
COMPARISON_LEGEND = (
    f"Answer: whether this network is the better one, at 5 %. Trials within {RIGHT_PX:.0f} px: with both, "
    "with this or that one alone; difference: percent of the trials; p: sign flips of the pairs (McNemar's "
    "exact test)"
)


@dataclass(frozen=True)
class Table:
    """A table of an evaluation, as text.

    Attributes:
        columns: their names.
        rows: one text a column.
        legend: explains the columns.
        names: the first columns, which hold names.
        title: what the table is about; empty for that of the evaluation.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    legend: str
    names: int = 2
    title: str = ""


class EvaluationRecord(TypedDict):
    """An evaluation as a JSON object.

    Attributes:
        folder: folder of the pairs.
        model: the network.
        pairs: number of pairs, including the unreadable ones.
        warps: random homographies per pair and preset; 0 if the pairs were taken as they are.
        seed: seed of the homographies.
        scores: one per preset and method.
        trials: one per warped pair and method.
        unreadable: pairs left out, with the reasons.
        turned: pairs that are wrong, and right if their truth is taken the other way round.
        groups: results with confidence intervals, of several places also by place.
        against: comparison with an earlier evaluation, by preset; empty if none was given.
    """

    folder: str
    model: EngineInfo
    pairs: int
    warps: int
    seed: int
    scores: list[Score]
    trials: list[TrialResult]
    unreadable: list[Unreadable]
    turned: int
    groups: list[Group]
    against: list[Comparison]


def score_table(report: AccuracyReport) -> Table:
    """A row for each preset and method."""
    return Table(COLUMNS, [_row(score) for score in report.scores], LEGEND)


def group_table(groups: Sequence[Group]) -> Table:
    """A row for each group."""
    rows = [
        (
            *(each.preset, each.method, each.place, str(each.trials)),
            *(f"{each.under_10_px:.1f}", _range(each.under_10_px_95)),
            *(f"{each.auc_10:.1f}", _range(each.auc_10_95)),
        )
        for each in groups
    ]
    return Table(GROUP_COLUMNS, rows, GROUP_LEGEND, names=3)


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """A row for each comparison; all are of the same two networks."""
    rows = [
        (
            *(each.preset, each.answer),
            *map(str, (each.trials, each.both, each.only_method, each.only_other)),
            *(f"{each.difference:+.1f}", _range(each.difference_95), f"{each.p:.2g}"),
        )
        for each in comparisons
    ]
    title = f"This: {comparisons[0].method}; that: {comparisons[0].other}" if comparisons else ""
    return Table(COMPARISON_COLUMNS, rows, COMPARISON_LEGEND, title=title)


def quality_table(report: AccuracyReport) -> Table:
    """A row for each preset and outcome, of the methods that tell their quality."""
    measured = [trial for trial in report.trials if trial.quality is not None]
    presets = dict.fromkeys(trial.preset for trial in measured)
    groups = [
        (
            preset,
            outcome,
            [trial for trial in measured if (trial.preset, _outcome(trial)) == (preset, outcome)],
        )
        for preset in presets
        for outcome in OUTCOMES
    ]
    return Table(QUALITY_COLUMNS, [_quality_row(*group) for group in groups if group[-1]], QUALITY_LEGEND)


def tables(report: AccuracyReport, groups: Sequence[Group], against: Sequence[Comparison]) -> list[Table]:
    """All tables that have rows."""
    every = (score_table(report), group_table(groups), comparison_table(against), quality_table(report))
    return [table for table in every if table.rows]


def to_csv(report: AccuracyReport) -> str:
    """Every trial as a row of CSV, without its quality."""
    names = [field.name for field in fields(TrialResult) if field.name != "quality"]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for trial in report.trials:
        row = finite_record(trial)
        writer.writerow(["" if row[name] is None else row[name] for name in names])
    return text.getvalue()


def to_latex(report: AccuracyReport, groups: Sequence[Group], against: Sequence[Comparison] = ()) -> str:
    """The tables for a paper, each a ``tabular``; without that of the quality."""
    every = (score_table(report), group_table(groups), comparison_table(against))
    return "\n".join(_tabular(table) for table in every if table.rows)


def _tabular(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(_escaped(cell) for cell in cells) + r" \\"

    head = f"% {table.title}\n" if table.title else ""
    begin = rf"\begin{{tabular}}{{{'l' * table.names}{'r' * (len(table.columns) - table.names)}}}"
    body = [line(table.columns), r"\hline", *map(line, table.rows)]
    return head + "\n".join([begin, *body, r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    words = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$"}
    return re.sub(r"[\\~^<%&_#${}]", lambda found: words.get(found[0], f"\\{found[0]}"), text)


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1f} to {interval[1]:.1f}"


def to_markdown(
    report: AccuracyReport,
    folder: str,
    engine: EngineInfo,
    groups: Sequence[Group] = (),
    against: Sequence[Comparison] = (),
) -> str:
    """The tables with the measured data and the pairs left out, for a model card."""
    network = f"`{engine.config}` {engine.precision}, weights {engine.weights_hash[:12]}"
    lines = [f"{summary(report, folder)}; {network}."]
    for table in tables(report, groups, against):
        lines += [
            "",
            *([f"{table.title}.", ""] if table.title else []),
            *markdown(table),
            "",
            f"{table.legend}.",
        ]
    if report.unreadable:
        lines += ["", "Left out:", *(f"- {pair.reason}" for pair in report.unreadable)]
    return "\n".join(lines) + "\n"


def record(
    report: AccuracyReport,
    folder: str,
    engine: EngineInfo,
    groups: Sequence[Group] = (),
    against: Sequence[Comparison] = (),
) -> dict[str, Any]:
    """The evaluation as a JSON object, an `EvaluationRecord`."""
    return {
        "folder": folder,
        "model": asdict(engine),
        **asdict(report),
        "scores": [finite_record(score) for score in report.scores],
        "trials": [finite_record(trial) for trial in report.trials],
        "groups": [asdict(group) for group in groups],
        "against": [asdict(each) for each in against],
    }


def finite_record(result: Score | TrialResult) -> dict[str, Any]:
    """A result as a JSON object, an infinite median or error as null."""
    return {key: None if value == math.inf else value for key, value in asdict(result).items()}


def summary(report: AccuracyReport, folder: str) -> str:
    """What was evaluated, as one line of text."""
    used = f"{folder}: {report.pairs - len(report.unreadable)} of {report.pairs} pairs"
    if report.warps:
        return f"{used}, {report.warps} warp{'s' if report.warps > 1 else ''} each, seed {report.seed}"
    clicked = any(score.preset == CLICKED for score in report.scores)
    return f"{used}, as they are; errors at the {'clicked points' if clicked else 'corners'}"


def _row(score: Score) -> tuple[str, ...]:
    aucs = (score.auc_3, score.auc_5, score.auc_10, score.auc_20)
    return (
        score.preset,
        score.method,
        *(f"{auc:.1f}" for auc in aucs),
        "-" if score.median_px == math.inf else f"{score.median_px:.1f}",
        f"{score.under_10_px:.1f}",
        str(score.rejections),
        str(score.wrong),
    )


def _outcome(trial: TrialResult) -> str:
    if trial.status != "OK":
        return OUTCOMES[2]
    return OUTCOMES[trial.error_px is None or trial.error_px >= RIGHT_PX]


def _quality_row(preset: str, outcome: str, trials: Sequence[TrialResult]) -> tuple[str, ...]:
    def median(name: str, digits: int) -> str:
        known = [value for trial in trials if trial.quality and (value := trial.quality[name]) is not None]
        return f"{np.median(known):.{digits}f}" if known else "-"

    likely = [trial.probability for trial in trials if trial.probability is not None]
    return (
        preset,
        outcome,
        str(len(trials)),
        median("inliers", 0),
        median("inlier_ratio", 2),
        median("spread", 2),
        median("rms_px", 1),
        median("peak_prominence", 2),
        median("second_peak_ratio", 2),
        f"{np.median(likely):.2f}" if likely else "-",
    )


def markdown(table: Table) -> list[str]:
    """A table as lines of Markdown."""
    return [
        "| " + " | ".join(table.columns) + " |",
        "|" + "---|" * table.names + "---:|" * (len(table.columns) - table.names),
        *("| " + " | ".join(row) + " |" for row in table.rows),
    ]
