"""Output of an evaluation as table, Markdown and JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation.accuracy import WRONG_PX, AccuracyReport, Score, TrialResult, Unreadable
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


class EvaluationRecord(TypedDict):
    """An evaluation as a JSON object.

    Attributes:
        folder: folder of the pairs.
        model: the network.
        pairs: number of pairs, including the unreadable ones.
        warps: random homographies per pair and preset.
        seed: seed of the homographies.
        scores: one per preset and method.
        trials: one per warped pair and method.
        unreadable: pairs left out, with the reasons.
    """

    folder: str
    model: EngineInfo
    pairs: int
    warps: int
    seed: int
    scores: list[Score]
    trials: list[TrialResult]
    unreadable: list[Unreadable]


def rows(report: AccuracyReport) -> list[tuple[str, ...]]:
    """One row of `COLUMNS` for each preset and method."""
    return [_row(score) for score in report.scores]


def quality_rows(report: AccuracyReport) -> list[tuple[str, ...]]:
    """One row of `QUALITY_COLUMNS` for each preset and outcome, of the methods that tell their quality."""
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
    return [_quality_row(*group) for group in groups if group[-1]]


def markdown_table(report: AccuracyReport) -> list[str]:
    """`rows` as the lines of a Markdown table."""
    return _markdown(COLUMNS, rows(report))


def to_markdown(report: AccuracyReport, folder: str, engine: EngineInfo) -> str:
    """The table with the measured data and the pairs left out, for a model card."""
    network = f"`{engine.config}` {engine.precision}, weights {engine.weights_hash[:12]}"
    lines = [
        f"{summary(report, folder)}; {network}.",
        "",
        *markdown_table(report),
        "",
        f"{LEGEND}.",
    ]
    if quality := quality_rows(report):
        lines += ["", *_markdown(QUALITY_COLUMNS, quality), "", f"{QUALITY_LEGEND}."]
    if report.unreadable:
        lines += ["", "Left out:", *(f"- {pair.reason}" for pair in report.unreadable)]
    return "\n".join(lines) + "\n"


def record(report: AccuracyReport, folder: str, engine: EngineInfo) -> dict[str, Any]:
    """The evaluation as a JSON object, an `EvaluationRecord`."""
    return {
        "folder": folder,
        "model": asdict(engine),
        **asdict(report),
        "scores": [finite_record(score) for score in report.scores],
        "trials": [finite_record(trial) for trial in report.trials],
    }


def finite_record(result: Score | TrialResult) -> dict[str, Any]:
    """A result as a JSON object, an infinite median or error as null."""
    return {key: None if value == math.inf else value for key, value in asdict(result).items()}


def summary(report: AccuracyReport, folder: str) -> str:
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


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|---|---|" + "---:|" * (len(columns) - 2),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
