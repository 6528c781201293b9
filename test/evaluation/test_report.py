"""An evaluation as JSON and as markdown."""

import json
import math

import pytest

from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation.accuracy import AccuracyReport, Score, TrialResult, Unreadable
from distillmatch_ros.evaluation.report import COLUMNS, QUALITY_COLUMNS, quality_table, record, to_markdown
from distillmatch_ros.registration.quality import Quality

ENGINE = EngineInfo(256, 320, 500, "light", "fp32", "abcdef0123456789", "onnxruntime CPU, 2 threads")


def result(status: str, error: float | None, probability: float | None) -> TrialResult:
    quality = Quality(100, 0.5, -30.0, 0.6, 1.5, 2.0, peak_prominence=probability and 10 * probability)
    return TrialResult("a.png", "b.png", "rig", 1, "light", error, status, probability, quality.record())


@pytest.fixture
def evaluated() -> AccuracyReport:
    return AccuracyReport(
        pairs=3,
        warps=2,
        seed=7,
        scores=(Score.of("light", "rig", [1.0, 2.0, 3.0, 30.0]), Score.of("SIFT", "rig", [None] * 4)),
        trials=(
            result("OK", 3.0, 0.9),
            result("OK", 30.0, 0.4),
            result("OK", math.inf, 0.2),
            result("FEW_INLIERS", None, None),
            TrialResult("a.png", "b.png", "rig", 0, "SIFT", None, "REJECTED", None, None),
        ),
        unreadable=(Unreadable("a.png", "b.png", "b.png: the file is empty"),),
    )


def test_json_holds_everything_and_no_infinity(evaluated: AccuracyReport) -> None:
    found = json.loads(json.dumps(record(evaluated, "val", ENGINE), allow_nan=False))
    assert (found["folder"], found["pairs"], found["warps"], found["seed"]) == ("val", 3, 2, 7)
    assert found["model"]["weights_hash"] == ENGINE.weights_hash
    light, sift = found["scores"]
    assert (light["method"], light["preset"], light["trials"], light["wrong"]) == ("light", "rig", 4, 1)
    assert light["median_px"] == 2.5 and light["under_10_px"] == 75
    assert sift["median_px"] is None and sift["rejections"] == 4
    assert math.isclose(light["auc_10"], evaluated.scores[0].auc_10)
    first, *_, last = found["trials"]
    assert (first["warp"], first["error_px"], first["quality"]["inlier_ratio"]) == (1, 3.0, 0.5)
    assert found["trials"][2]["error_px"] is None and last["quality"] is None
    assert found["unreadable"] == [
        {"visible": "a.png", "thermal": "b.png", "reason": "b.png: the file is empty"}
    ]


def test_markdown_is_a_table_with_its_provenance(evaluated: AccuracyReport) -> None:
    text = to_markdown(evaluated, "val", ENGINE)
    assert "val: 2 of 3 pairs, 2 warps each, seed 7; `light` fp32, weights abcdef012345." in text
    table = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ][:4]
    assert table[0] == list(COLUMNS) and all(len(row) == len(COLUMNS) for row in table)
    light, sift = (dict(zip(COLUMNS, row, strict=True)) for row in table[2:])
    assert (light["median"], light["< 10 px"], light["rejected"], light["wrong"]) == ("2.5", "75.0", "0", "1")
    assert (sift["median"], sift["rejected"]) == ("-", "4")
    assert "- b.png: the file is empty" in text


def test_the_quality_is_told_by_outcome(evaluated: AccuracyReport) -> None:
    found = {row[1]: dict(zip(QUALITY_COLUMNS, row, strict=True)) for row in quality_table(evaluated).rows}
    assert {outcome: row["trials"] for outcome, row in found.items()} == {
        "right": "1",
        "off": "2",
        "rejected": "1",
    }
    assert (found["right"]["edges"], found["right"]["prob."]) == ("9.00", "0.90")
    assert (found["rejected"]["edges"], found["rejected"]["ratio"]) == ("-", "0.50")
    assert "| rig | off | 2 | 100 | 0.50 | 0.60 | 1.5 | 3.00 | - | 0.30 |" in to_markdown(
        evaluated, "val", ENGINE
    )
