"""Pairs as they are, with known homographies or clicked points; intervals, places, and paired comparison."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.scripted_engine import TRUTH, VISIBLE, scene_pair
from typer.testing import CliRunner

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import AccuracyReport, Score, TrialResult, compare_known
from distillmatch_ros.evaluation.statistics import ALL, compared, grouped, mcnemar, read_trials, upper_bound
from distillmatch_ros.evaluation.truth import MATRIX, POINTS, read_truths
from distillmatch_ros.geometry.homography import transform

OFF = np.array([[1.0, 0, 8], [0, 1, 6], [0, 0, 1]])
"""10 pixels of the visible image."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, image in zip(("v", "t"), scene_pair(), strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    return tmp_path


def write(path: Path, header: tuple[str, ...], rows: list[list[object]]) -> Path:
    text = StringIO()
    csv.writer(text).writerows([["visible", "thermal", *header], *(["v.png", "t.png", *row] for row in rows)])
    path.write_text(text.getvalue())
    return path


def points() -> list[list[object]]:
    thermal = np.array([[10.0, 20], [300, 30], [40, 200], [280, 220], [150, 100]])
    return [[*seen, *heat] for seen, heat in zip(transform(TRUTH, thermal), thermal, strict=True)]


@pytest.mark.parametrize("kind", ["homography", "points"])
def test_known_pairs_give_the_error_in_reference_pixels(kind: str, folder: Path) -> None:
    rows = [[*TRUTH.ravel(), "yard"]] if kind == "homography" else [[*row, "yard"] for row in points()]
    header = (*(MATRIX if kind == "homography" else POINTS), "place")
    known = read_truths(write(folder / "truth.csv", header, rows))
    assert [each.place for each in known] == ["yard"]
    methods = {"right": lambda v, t: TRUTH, "off": lambda v, t: OFF @ TRUTH, "none": lambda v, t: None}
    found = compare_known(methods, known)
    right, off, none = (trial.error_px for trial in found.trials)
    assert right == pytest.approx(0, abs=1e-6) and none is None
    assert off == pytest.approx(10 * 640 / VISIBLE[1], rel=1e-3)
    assert [score.rejections for score in found.scores] == [0, 0, 1]


@pytest.mark.parametrize(
    ("header", "rows", "reason"),
    [
        (MATRIX, [[*np.zeros(9)]], "row 2: .*no inverse"),
        (MATRIX, [[*TRUTH.ravel()[:8], "x"]], "row 2 lacks a number"),
        (MATRIX[:5], [[1] * 5], "has the columns"),
        (POINTS, [[1, 2, 3, 4]] * 3, "has 3 points"),
        (POINTS, [[1, 2, 3, "nan"]] * 4, "not finite"),
        (POINTS, [], "lists no pairs"),
        ((), [[]], "has the columns visible, thermal"),
    ],
)
def test_what_is_wrong_with_a_truth_is_named(
    header: tuple[str, ...], rows: list[list[object]], reason: str, folder: Path
) -> None:
    with pytest.raises(DistillMatchError, match=reason):
        read_truths(write(folder / "truth.csv", header, rows))


def trial(name: str, error: float | None, method: str = "light", warp: int = 0) -> TrialResult:
    return TrialResult(f"a/{name}.png", "t.png", "rig", warp, method, error, "OK", None, None)


def test_intervals_hold_the_figure_and_shrink_with_the_number_of_pairs() -> None:
    widths = []
    for pairs in (20, 320):
        trials = [trial(f"x{number}", 3.0 if number % 4 else 30.0) for number in range(pairs)]
        (group,) = grouped(trials)
        assert group.place == ALL and group.under_10_px == 75
        low, high = group.under_10_px_95
        assert low < 75 < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize(("pairs", "least"), [(2, 34.2), (10, 72.2), (100, 96.3)])
def test_few_pairs_that_are_all_right_are_no_certainty(pairs: int, least: float) -> None:
    (group,) = grouped([trial(f"x{number}", 3.0) for number in range(pairs)])
    assert group.under_10_px == 100 and group.under_10_px_95 == pytest.approx((least, 100), abs=0.1)


def test_trials_of_one_pair_count_as_one() -> None:
    """Three warps of each pair that all end alike say no more than one."""
    once = [trial(f"x{number}", 3.0 if number % 4 else 30.0) for number in range(40)]
    thrice = [replace(each, warp=warp) for each in once for warp in range(3)]
    (one,), (three,) = grouped(once), grouped(thrice)
    assert one.under_10_px_95 == pytest.approx(three.under_10_px_95)


def test_several_places_are_told_apart_by_name_or_as_given() -> None:
    trials = [
        trial(f"{place}_{number:03}", error)
        for place, error in (("yard", 3.0), ("hall", 30.0))
        for number in range(4)
    ]
    assert [(group.place, group.under_10_px) for group in grouped(trials)] == [
        (ALL, 50),
        ("hall", 0),
        ("yard", 100),
    ]
    given = [replace(each, place="both") for each in trials]
    assert [group.place for group in grouped(given)] == [ALL]


def test_a_better_method_is_seen_where_both_ran() -> None:
    ours = [trial(f"x{number}", 3.0) for number in range(30)]
    theirs = [trial(f"x{number}", 3.0 if number < 20 else None, "other") for number in range(50)]
    (found,) = compared(ours, theirs)
    assert (found.trials, found.both, found.only_method, found.only_other) == (30, 20, 10, 0)
    assert found.difference == pytest.approx(100 / 3) and found.difference_95[0] > 0
    assert found.p == pytest.approx(2 / 2**10)
    (same,) = compared(ours, ours)
    assert same.p == 1 and same.difference == 0
    assert mcnemar(5, 5) == 1 and mcnemar(3000, 2800) == pytest.approx(0.0087, rel=0.05)


def test_csv_and_latex_hold_the_trials_and_tables() -> None:
    trials = (trial("a_1", 3.0), trial("a_2", None))
    evaluated = AccuracyReport(2, 1, 0, (Score.of("light", "rig", [3.0, None]),), trials, ())
    rows = list(csv.DictReader(StringIO(report.to_csv(evaluated))))
    assert [(row["visible"], row["error_px"]) for row in rows] == [("a/a_1.png", "3.0"), ("a/a_2.png", "")]
    latex = report.to_latex(evaluated, grouped(trials))
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert r"95 \%" in latex and "$<$ 10 px" in latex


@pytest.mark.slow
def test_the_command_takes_a_csv_and_an_earlier_evaluation(folder: Path, write_network) -> None:
    truth = write(folder / "truth.csv", MATRIX, [[*TRUTH.ravel()]])
    arguments = ["evaluate", str(truth), "--baselines", "none", "--model", str(write_network())]
    first = CliRunner().invoke(app, [*arguments, "--out", str(folder / "a")])
    assert first.exit_code == 0, first.output
    assert {path.name for path in (folder / "a").iterdir()} == {
        f"evaluation.{k}" for k in ("json", "md", "csv", "tex")
    }
    earlier = folder / "a" / "evaluation.json"
    assert len(read_trials(json.loads(earlier.read_text()))) == 1
    second = CliRunner().invoke(app, [*arguments, "--against", str(earlier), "--json", "-"])
    (against,) = json.loads(second.stdout)["against"]
    assert against["trials"] == 1 and against["p"] == 1
    wrong = CliRunner().invoke(app, [*arguments, "--against", str(truth)])
    assert wrong.exit_code == 2 and "no evaluation" in wrong.stderr


@pytest.mark.parametrize(
    ("count", "number", "bound"), [(0, 1000, 0.00299), (3, 2000, 0.00387), (1, 10, 0.394)]
)
def test_the_bound_of_a_fraction_is_that_of_clopper_and_pearson(
    count: int, number: int, bound: float
) -> None:
    """Values of the beta distribution's quantiles."""
    assert upper_bound(count, number) == pytest.approx(bound, rel=2e-3)
    assert upper_bound(number, number) == 1 == upper_bound(0, 0)
