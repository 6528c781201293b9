"""Streams that ask for wrong answers: their truth, what goes wrong in them, and how answers are counted."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.cli import assert_wrong_use, run
from support.scripted_engine import ScriptedEngine, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.evaluation.hostile_streams import KINDS, ONSET_S, Moment, Scenery
from distillmatch_ros.evaluation.panning import THERMAL, VISIBLE, Place, repeating_place, synthetic_place
from distillmatch_ros.evaluation.reference import reference_px
from distillmatch_ros.evaluation.streams import (
    ALL,
    TRUE,
    TRUE_PX,
    Answer,
    Figures,
    answers_to,
    longest_wrong_s,
)
from distillmatch_ros.geometry.homography import resize_matrix
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream

SECONDS = 3.0
NAMES = [kind.name for kind in KINDS]


def still() -> np.ndarray:
    cells = np.random.default_rng(0).integers(0, 256, (60, 80)).astype(np.uint8)
    return cv2.resize(cells, (640, 512), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def place() -> Place:
    return Place(np.repeat(still()[..., None], 3, axis=2), still(), 0)


def moments(name: str, place: Place, number: int = 0) -> list[Moment]:
    kind = KINDS[NAMES.index(name)]
    return list(kind.moments(Scenery(place, repeating_place(64, 1), number, SECONDS)))


def left(moment: Moment) -> float:
    """Median difference of both images where the truth lays them on each other."""
    assert moment.truth is not None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(moment.visible[..., 0], moment.truth, THERMAL[::-1], flags=flags)
    return float(np.median(cv2.absdiff(seen, moment.thermal)))


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_has_pairs_of_the_cameras_sizes(name: str, place: Place) -> None:
    first = next(iter(KINDS[NAMES.index(name)].moments(Scenery(place, place, 0, SECONDS))))
    assert (first.visible.shape, first.thermal.shape) == ((*VISIBLE, 3), THERMAL)
    assert first.visible.dtype == first.thermal.dtype == np.uint8


@pytest.mark.parametrize("name", ["plain", "knock 40 px", "knock 3 degrees"])
def test_the_truth_is_exact(name: str, place: Place) -> None:
    assert max(left(moment) for moment in moments(name, place)[::5]) < 6


def test_late_images_are_those_of_another_moment(place: Place) -> None:
    late, plain = moments("late 0.3 s", place), moments("plain", place)
    difference = [float(np.median(cv2.absdiff(late[n].thermal, plain[n - 3].thermal))) for n in (10, 20)]
    assert max(difference) < 4 < max(left(moment) for moment in late[::5])
    behind, plain = moments("visible late 0.2 s", place), moments("plain", place)
    assert float(np.median(cv2.absdiff(behind[20].visible, plain[18].visible))) < 4
    uneven = [left(moment) for moment in moments("late 0 to 0.1 s", place)]
    assert max(map(left, plain)) < max(uneven) < max(left(moment) for moment in late[::5])


@pytest.mark.parametrize(("name", "image"), [("hung visible", "visible"), ("hung thermal", "thermal")])
def test_a_camera_hangs_while_the_other_moves(name: str, image: str, place: Place) -> None:
    hung = [m for m in moments(name, place) if m.seconds >= ONSET_S]
    other = "thermal" if image == "visible" else "visible"
    assert all((getattr(m, image) == getattr(hung[0], image)).all() for m in hung)
    assert not any((getattr(m, other) == getattr(hung[0], other)).all() for m in hung[1:])


def test_a_knock_moves_the_truth_by_what_its_name_says(place: Place) -> None:
    stream = moments("knock 40 px", place)
    before, after = stream[0].truth, stream[-1].truth
    assert before is not None and after is not None
    assert np.hypot(*(after - before)[:2, 2]) == pytest.approx(40)


@pytest.mark.parametrize("number", range(3))
def test_an_overlay_is_at_the_same_relative_place_of_both_images(number: int, place: Place) -> None:
    bare, drawn = (
        moments("other scene", place, number)[0],
        moments("overlay over other scene", place, number)[0],
    )
    changed = [
        cv2.absdiff(one, other).reshape(*one.shape[:2], -1).max(axis=2) > 20
        for one, other in ((bare.visible, drawn.visible), (bare.thermal, drawn.thermal))
    ]
    small = cv2.resize(changed[0].astype(np.uint8), THERMAL[::-1], interpolation=cv2.INTER_AREA) > 0
    assert (small & changed[1]).sum() > 0.5 * changed[1].sum() > 100
    assert drawn.truth is None


def test_wrong_answers_are_counted_and_timed() -> None:
    answers = [
        Answer(0.0, "OK", 3.0, 0.9),
        Answer(0.1, "OK", 25.0, 0.9),
        Answer(0.2, "TRACKED", np.inf, 0.9),
        Answer(0.3, "DEGENERATE", None, None),
        Answer(0.4, "OK", 30.0, None),
    ]
    figures = Figures.of("a", [answers])
    assert (figures.frames, figures.answered, figures.wrong) == (5, 0.8, 0.6)
    assert longest_wrong_s(answers) == pytest.approx(0.2)
    assert figures.calibration_error == pytest.approx(0.9 - 1 / 3)
    assert figures.statuses == {"OK": 3, "TRACKED": 1, "DEGENERATE": 1}


def test_answers_are_measured_against_the_truth(place: Place) -> None:
    gate = Gate(min_peak_prominence=0.0, max_second_peak_ratio=1.0, min_probability=0.0)
    engine = ScriptedEngine(points_of(resize_matrix(THERMAL, VISIBLE)))
    stream = Stream(Registrar(engine, passes=1), StreamSettings(pass_seconds=0, gate=gate))
    found = list(answers_to(stream, iter(moments("plain", place)[:1] + moments("other scene", place)[1:2])))
    assert [answer.error_px is None or answer.error_px >= 0 for answer in found] == [True, True]
    assert found[1].error_px in (None, np.inf)


def test_the_command_measures_the_kinds_that_are_named(write_network, tmp_path: Path) -> None:
    for name in ("visible/a.png", "visible/b.png", "thermal/a.png", "thermal/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), still())
    quick = ("--places", "2", "--seconds", "0.1", "--model", write_network(), "--threads", "1")
    result = run("evaluate-streams", tmp_path, "--kind", "plain", "--kind", "fog", *quick, "--json", "-")
    assert result.exit_code == 0, result.output
    found = {each["kind"]: each["frames"] for each in json.loads(result.stdout)}
    assert found == {"plain": 2, "fog": 2, ALL: 4, "a": 2, "b": 2}


def test_a_reference_that_is_off_is_told_and_left_out_of_one_sum(write_network, tmp_path: Path) -> None:
    off = cv2.warpAffine(still(), np.array([[1.0, 0, 6], [0, 1, 0]]), still().shape[::-1])
    for name, image in (
        ("visible/a", still()),
        ("visible/b", still()),
        ("thermal/a", still()),
        ("thermal/b", off),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    quick = ("--places", "2", "--seconds", "0.1", "--model", write_network(), "--threads", "1")
    result = run("evaluate-streams", tmp_path, "--kind", "plain", *quick, "--json", "-")
    assert result.exit_code == 0, result.output
    found = {each["kind"]: each for each in json.loads(result.stdout)}
    assert list(found) == ["plain", ALL, TRUE, "a", "b"] and found[TRUE]["frames"] == 1
    assert found["a"]["reference_px"] < 0.2 and found["plain"]["reference_px"] is None
    assert found["b"]["reference_px"] > TRUE_PX


@pytest.mark.parametrize("px", [0.0, 3.0, 9.0])
def test_what_a_reference_is_off_is_measured(px: float) -> None:
    """Also behind a third of the scene that lies nearer, and apart."""
    visible = np.repeat(still()[..., None], 3, axis=2)
    moved = cv2.warpAffine(still(), np.array([[1.0, 0, px], [0, 1, 0]]), still().shape[::-1])
    near = cv2.warpAffine(still(), np.array([[1.0, 0, 0], [0, 1, 8]]), still().shape[::-1])
    moved[:160] = near[:160]
    place = Place(visible, moved, 0)
    scale = place.stills[1].shape[1] / still().shape[1]
    assert reference_px(place) == pytest.approx(px * scale * 640 / VISIBLE[1], abs=0.5)


def test_no_edges_tell_nothing_of_a_reference() -> None:
    assert reference_px(Place(np.full((512, 640, 3), 9, np.uint8), still(), 0)) is None


@pytest.mark.slow  # a street is rendered
def test_rendered_streets_are_seen_from_one_point() -> None:
    street = synthetic_place(0)
    for heat in (False, True):
        still = street.thermal(0.0) if heat else street.visible(0.0)
        assert still.shape[:2] == (THERMAL if heat else VISIBLE) and still.std() > 10


def test_an_unknown_kind_is_named_with_those_that_exist() -> None:
    assert_wrong_use(run("evaluate-streams", "--kind", "snow"), "snow")
