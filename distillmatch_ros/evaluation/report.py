"""Output of an evaluation as table, Markdown and JSON."""

import math
from dataclasses import asdict
from typing import Any

from typing_extensions import TypedDict

from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation.accuracy import WRONG_PX, Report, Score, Unreadable

AUCS = ("AUC@3", "AUC@5", "AUC@10", "AUC@20")
COLUMNS = ("preset", "method", *AUCS, "median", "< 10 px", "rejected", "wrong")
LEGEND = (
    "AUC and < 10 px: percent; median: px; rejected: no homography; "
    f"wrong: off by more than {WRONG_PX:.0f} px"
)


class EvaluationRecord(TypedDict):
    """An evaluation as a JSON object.

    Attributes:
        folder: folder of the pairs.
        model: the network.
        pairs: number of pairs, including the unreadable ones.
        warps: random homographies per pair and preset.
        seed: seed of the homographies.
        scores: one per preset and method.
        unreadable: pairs left out, with the reasons.
    """

    folder: str
    model: EngineInfo
    pairs: int
    warps: int
    seed: int
    scores: list[Score]
    unreadable: list[Unreadable]


def rows(report: Report) -> list[tuple[str, ...]]:
    """One row of `COLUMNS` for each preset and method."""
    return [_row(score) for score in report.scores]


def markdown_table(report: Report) -> list[str]:
    """`rows` as the lines of a Markdown table."""
    return [
        "| " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---:|" * (len(COLUMNS) - 2),
        *("| " + " | ".join(row) + " |" for row in rows(report)),
    ]


def to_markdown(report: Report, folder: str, engine: EngineInfo) -> str:
    """The table with the measured data and the pairs left out, for a model card."""
    network = f"`{engine.config}` {engine.precision}, weights {engine.weights_hash[:12]}"
    lines = [
        f"{summary(report, folder)}; {network}.",
        "",
        *markdown_table(report),
        "",
        f"{LEGEND}.",
    ]
    if report.unreadable:
        lines += ["", "Left out:", *(f"- {pair.reason}" for pair in report.unreadable)]
    return "\n".join(lines) + "\n"


def record(report: Report, folder: str, engine: EngineInfo) -> dict[str, Any]:
    """The evaluation as a JSON object, an `EvaluationRecord`."""
    scores = [score_record(score) for score in report.scores]
    return {"folder": folder, "model": asdict(engine), **asdict(report), "scores": scores}


def score_record(score: Score) -> dict[str, Any]:
    """One score as a JSON object, an infinite median as null."""
    return {key: None if value == math.inf else value for key, value in asdict(score).items()}


def summary(report: Report, folder: str) -> str:
    """Pairs, warps and seed of an evaluation as one line of text."""
    used = report.pairs - len(report.unreadable)
    return f"{folder}: {used} of {report.pairs} pairs, {report.warps} warps each, seed {report.seed}"


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
