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
from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import AccuracyReport, Score, TrialResult, compare_known
from distillmatch_ros.evaluation.comparison import (
    Earlier,
    check_common,
    compared,
    read_evaluation,
    sign_flips,
)
from distillmatch_ros.evaluation.statistics import ALL, grouped, jackknife, student, upper_bound
from distillmatch_ros.evaluation.truth import MATRIX, POINTS, read_truths
from distillmatch_ros.geometry.homography import transform

MODEL = EngineInfo(256, 320, 500, "light", "fp32", "abcdef0123456789", "CPU")
OTHER = replace(MODEL, precision="fp16")
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
    assert found.turned == 0
    inverse = np.linalg.inv(TRUTH)
    others = [known[0].turned()]
    assert compare_known(methods, others).turned == 1
    assert compare_known({"": lambda v, t: inverse}, others).turned == 0
    where = "corners" if kind == "homography" else "clicked points"
    assert (
        report.summary(found, "truth.csv") == f"truth.csv: 1 of 1 pairs, as they are; errors at the {where}"
    )


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


def test_the_interval_of_a_mean_is_that_of_student_over_pairs() -> None:
    """Quantiles of Student's distribution; the jackknife of a mean is its standard error."""
    for freedom, quantile in ((2, 4.303), (3, 3.182), (5, 2.571), (21, 2.080), (1000, 1.962)):
        assert student(freedom) == pytest.approx(quantile, rel=0.01)
    values = np.array([1.0, 2, 4, 8, 3, 5])
    mean, half = jackknife(values, list("abcdef"), np.mean)
    assert mean == values.mean() and half == pytest.approx(2.571 * values.std(ddof=1) / 6**0.5, rel=1e-3)
    thrice = jackknife(np.repeat(values, 3), list("aaabbbcccdddeeefff"), np.mean)
    assert thrice == pytest.approx((mean, half))


def test_pairs_that_are_all_alike_do_not_make_a_figure_certain() -> None:
    (group,) = grouped([trial(f"x{number}", None) for number in range(22)])
    assert group.auc_10_95 == group.under_10_px_95 == pytest.approx((0, 14.9), abs=0.1)
    (alone,) = grouped([trial("x", 3.0)])
    assert alone.auc_10_95[1] - alone.auc_10_95[0] > 50


def earlier(trials: list[TrialResult], seed: int = 0) -> Earlier:
    return Earlier(OTHER, seed, trials)


def test_a_better_network_is_seen_where_both_ran() -> None:
    ours = [trial(f"x{number}", 3.0) for number in range(30)]
    theirs = [trial(f"x{number}", 3.0 if number < 20 else None) for number in range(50)]
    (found,) = compared(ours, MODEL, earlier(theirs))
    assert (found.trials, found.both, found.only_method, found.only_other) == (30, 20, 10, 0)
    assert found.difference == pytest.approx(100 / 3) and 10 < found.difference_95[0] < found.difference
    assert found.answer == "better" and found.p == pytest.approx(2 / 2**10)
    assert (found.method, found.other) == ("light fp32 abcdef01", "light fp16 abcdef01")
    (worse,) = compared(theirs[:30], MODEL, earlier(ours))
    assert worse.answer == "worse" and worse.difference == -found.difference
    (same,) = compared(ours, MODEL, earlier(ours))
    assert same.p == 1 and same.difference == 0 and same.answer == "not shown"
    assert same.difference_95 == pytest.approx((-6.1, 6.1), abs=0.1), (
        "30 equal pairs are no proof of equality"
    )


def test_trials_of_a_pair_that_end_alike_are_no_more_proof_than_one() -> None:
    ours = [trial(f"x{number}", 3.0, warp=warp) for number in range(4) for warp in range(3)]
    theirs = [replace(each, error_px=None) for each in ours]
    (found,) = compared(ours, MODEL, earlier(theirs))
    assert found.only_method == 12 and found.p == 2 / 2**4 and found.answer == "not shown"


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1] * 5 + [-1] * 5 + [0] * 7, 1.0),
        ([1] * 30 + [-1] * 20, 0.20264),  # scipy.stats.binomtest(20, 50)
        ([1] * 3000 + [-1] * 2800, 0.0090),
        ([3, 1, -1, 2], 6 / 16),  # 7 in one way, 5 in two ways, and their opposites
        ([], 1.0),
    ],
)
def test_signs_are_flipped_pair_by_pair(differences: list[int], p: float) -> None:
    assert sign_flips(differences) == pytest.approx(p, rel=0.01)


def test_pairs_of_several_folders_with_the_same_names_are_not_mixed_up() -> None:
    def of(place: str, error: float | None) -> TrialResult:
        return replace(trial("x", error), visible=f"{place}/x.png")

    ours, theirs = [of("yard", 3.0), of("hall", None)], [of("yard", None), of("hall", 3.0)]
    (found,) = compared(ours, MODEL, earlier(theirs))
    assert (found.trials, found.only_method, found.only_other) == (2, 1, 1)
    (moved,) = compared([of("here", 3.0)], MODEL, earlier([of("there", 3.0)]))
    assert moved.both == 1


def test_an_evaluation_of_other_trials_is_no_basis_and_said_at_once() -> None:
    known = earlier([trial("x", 3.0)], seed=1)
    check_common(known, ["b/x.png"], ["rig"], 1)
    for arguments, reason in (
        ((["y.png"], ["rig"], 1), "none of these pairs"),
        ((["x.png"], ["hard"], 1), "none of these pairs"),
        ((["x.png"], ["rig"], 0), "--seed 1"),
    ):
        with pytest.raises(DistillMatchError, match=reason):
            check_common(known, *arguments)


def test_an_evaluation_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match="no such file"):
        read_evaluation(tmp_path / "absent.json")


def test_csv_and_latex_hold_the_trials_and_tables() -> None:
    trials = (trial("a_1", 3.0), trial("a_2", None))
    evaluated = AccuracyReport(2, 1, 0, (Score.of("light", "rig", [3.0, None]),), trials, ())
    rows = list(csv.DictReader(StringIO(report.to_csv(evaluated))))
    assert [(row["visible"], row["error_px"]) for row in rows] == [("a/a_1.png", "3.0"), ("a/a_2.png", "")]
    trials = (
        replace(trials[0], place="50 % ~ a_b\\c to d^"),
        *(trial(f"b_{number}", 3.0) for number in range(3)),
    )
    latex = report.to_latex(evaluated, grouped(trials), compared(trials, MODEL, earlier(list(trials))))
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 3
    assert r"95 \%" in latex and "$<$ 10 px" in latex and "not shown" in latex
    assert r"50 \% \textasciitilde{} a\_b\textbackslash{}c to d\textasciicircum{}" in latex


@pytest.mark.slow
def test_the_command_takes_a_csv_and_an_earlier_evaluation(folder: Path, write_network) -> None:
    truth = write(folder / "truth.csv", MATRIX, [[*TRUTH.ravel()]])
    arguments = ["evaluate", str(truth), "--baselines", "none", "--model", str(write_network())]
    first = CliRunner().invoke(app, [*arguments, "--out", str(folder / "a")])
    assert first.exit_code == 0, first.output
    assert {path.name for path in (folder / "a").iterdir()} == {
        f"evaluation.{k}" for k in ("json", "md", "csv", "tex")
    }
    written = folder / "a" / "evaluation.json"
    assert len(read_evaluation(written).trials) == 1 and "as they are; errors at the corners" in first.stdout
    second = CliRunner().invoke(app, [*arguments, "--against", str(written), "--json", "-"])
    (against,) = json.loads(second.stdout)["against"]
    assert against["trials"] == 1 and against["p"] == 1
    wrong = CliRunner().invoke(app, [*arguments, "--against", str(truth)])
    assert wrong.exit_code == 2 and "no evaluation" in wrong.stderr
    warped = CliRunner().invoke(app, [*arguments, "--warps", "2"])
    assert warped.exit_code == 2 and "leave out" in warped.stderr


@pytest.mark.parametrize(
    ("count", "number", "bound"), [(0, 1000, 0.00299), (3, 2000, 0.00387), (1, 10, 0.394)]
)
def test_the_bound_of_a_fraction_is_that_of_clopper_and_pearson(
    count: int, number: int, bound: float
) -> None:
    """Values of the beta distribution's quantiles."""
    assert upper_bound(count, number) == pytest.approx(bound, rel=2e-3)
    assert upper_bound(number, number) == 1 == upper_bound(0, 0)
