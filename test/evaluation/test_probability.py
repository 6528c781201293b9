"""The calibrated probability: its fit, its reliability, and what gate and registrar make of it."""

from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of, scene_pair

from distillmatch_ros import DistillMatchError, Gate, Registrar, Status
from distillmatch_ros.evaluation.diagram import reliability_svg
from distillmatch_ros.evaluation.probability import (
    Bin,
    Sample,
    calibration_error,
    check_number,
    collect,
    fit,
    reliability,
    same_place,
)
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.probability import ENDING, FEATURES, ProbabilityModel, features, find_model
from distillmatch_ros.registration.quality import Quality


def model(intercept: float, weights_sha256: str = "") -> ProbabilityModel:
    return ProbabilityModel(weights_sha256, intercept, dict.fromkeys(FEATURES, 0.0), 100, 0.01)


def samples(count: int) -> list[Sample]:
    """Homographies that are right with odds which follow from their inlier ratio and edges."""
    generator = np.random.default_rng(3)
    made = []
    for index in range(count):
        ratio, prominence = generator.uniform(0, 1), generator.uniform(0.02, 0.5)
        quality = Quality(100, ratio, -50.0, 0.6, 3.0, 2.0, 0.3, prominence, 0.5)
        odds = 6 * (ratio - 0.5) + 2 * np.log(prominence / 0.15)
        made.append(Sample(f"pair {index // 3}", quality, bool(generator.random() < 1 / (1 + np.exp(-odds)))))
    return made


def test_fit_finds_the_odds_and_is_calibrated_on_pairs_left_out() -> None:
    found, bins = fit(samples(3000), "abc")
    assert found.weights_sha256 == "abc" and found.samples == 3000
    assert found.coefficients["inlier_ratio"] == pytest.approx(6, rel=0.15)
    assert found.coefficients["log_peak_prominence"] == pytest.approx(2, rel=0.15)
    assert found.calibration_error < 0.03 and len(bins) == 10
    sure = Quality(100, 1.0, -50.0, 0.6, 3.0, 2.0, 0.3, 0.5, 0.5)
    assert found(sure) > 0.95 > 0.05 > found(Quality(9, 0.0, 1.0, 0.6, 3, 2, 0.3, 0.02, 0.5))


def test_probabilities_that_lie_have_a_calibration_error() -> None:
    right = np.array([1.0, 0.0] * 50)
    assert calibration_error(reliability(np.full(100, 0.5), right)) == 0
    assert calibration_error(reliability(np.full(100, 0.9), right)) == pytest.approx(0.4)


def test_too_few_samples_are_no_fit() -> None:
    with pytest.raises(DistillMatchError, match=r"right and .* wrong homographies are too few"):
        fit(samples(15), "abc")


def test_pairs_that_cannot_give_enough_are_told_before_any_is_registered() -> None:
    with pytest.raises(DistillMatchError, match=r"2 pairs with --warps 1 give 4 right .* or --warps 3"):
        check_number(2, 1)
    check_number(2, 3)


def test_few_samples_are_shrunk_to_the_shipped_model() -> None:
    """Fits to 36 homographies each: with the prior, their probabilities are nearer to those of the odds."""
    many = samples(3000)
    shipped, _ = fit(many, "abc")
    off: dict[bool, float] = {False: 0.0, True: 0.0}
    for begin in range(0, 720, 36):
        few = many[begin : begin + 36]
        if not 10 <= sum(each.right for each in few) <= 26:
            continue
        for with_prior in off:
            found, _ = fit(few, "abc", shipped if with_prior else None)
            off[with_prior] += sum(abs(found(each.quality) - shipped(each.quality)) for each in many[:300])
    assert 0 < off[True] < off[False] / 2
    assert fit(samples(300), "abc", shipped) == fit(samples(300), "abc")


@pytest.mark.parametrize(
    "quality", [Quality(0, 0.0, np.inf, 0.0, 0.0, np.inf), Quality(5, 1, 0, 0, 0, 0, -1, -1, np.inf)]
)
def test_any_quality_has_finite_features(quality: Quality) -> None:
    assert np.isfinite(features(quality)).all()
    assert 0 <= model(0.0)(quality) <= 1


def test_model_is_found_by_the_weights_it_was_fitted_to(tmp_path: Path) -> None:
    network = tmp_path / "light_fp16.onnx"
    assert find_model(network, "abc") is None
    model(1.5, "abc").save(tmp_path / f"light{ENDING}")
    model(2.5, "other").save(tmp_path / f"other{ENDING}")
    assert find_model(network, "abc") == model(1.5, "abc")
    assert find_model(network, "none of them") is None
    (tmp_path / f"a{ENDING}").write_text(
        "weights_sha256: abc\nintercept: 1.0\ncoefficients: {}\nsamples: 1\ncalibration_error: 0.0\n"
    )
    with pytest.raises(DistillMatchError, match=r"a\.probability\.yaml: holds other features"):
        find_model(network, "abc")


def test_improbable_homographies_are_rejected() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH)))
    for intercept, status in ((3.0, Status.OK), (-3.0, Status.DEGENERATE)):
        found = Registrar(engine, gate=Gate(min_probability=0.5), probability=model(intercept)).register(
            *scene_pair()
        )
        assert found.status is status
        assert (found.homography is None) == (status is not Status.OK)
        assert found.probability == pytest.approx(1 / (1 + np.exp(-intercept)))
        reason = None if found.rejected_by is None else found.rejected_by.threshold
        assert reason == (None if status is Status.OK else "min_probability")
    anything = Registrar(engine, gate=Gate(min_probability=0.0), probability=model(-30.0)).register(
        *scene_pair()
    )
    assert anything.status is Status.OK
    assert Registrar(engine).register(*scene_pair()).probability is None


@pytest.mark.slow
def test_trials_and_negatives_are_judged_without_the_gates_choice(tmp_path: Path) -> None:
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
    for seed in range(2):
        image = cv2.resize(np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8), (640, 480))
        cv2.imwrite(str(tmp_path / f"visible/{seed}.png"), image)
        cv2.imwrite(str(tmp_path / f"thermal/{seed}.png"), 255 - image[..., 1])
    gate = Gate(min_inlier_ratio=1.0)
    registrar = Registrar(ScriptedEngine(points_of(np.eye(3))), gate=gate)
    ticks: list[None] = []
    found = collect(registrar, read_folder(tmp_path), on_pair=lambda: ticks.append(None))
    assert len(ticks) == 2 and registrar.gate is gate
    assert not registrar.register(*scene_pair()).status.is_confirmed  # by its own gate, as before
    assert {sample.pair for sample in found} == {"0", "1"} and len(found) > 4
    assert not all(sample.right for sample in found)
    assert len(collect(registrar, read_folder(tmp_path), warps=2)) > 1.5 * len(found)


def test_frames_of_one_place_are_told_from_others() -> None:
    visible, _ = scene_pair()
    shifted = np.roll(visible, 4, axis=1)
    assert same_place(visible, shifted)
    assert not same_place(visible, visible[::-1])


def test_the_diagram_shows_each_bin_and_is_reproducible() -> None:
    bins = [Bin(0.02, 0.0, 317), Bin(0.55, 0.6, 9), Bin(0.97, 0.96, 118)]
    drawn = reliability_svg(bins)
    assert drawn == reliability_svg(bins)
    texts = {element.text for element in ElementTree.fromstring(drawn).iter() if element.text}
    assert {"317", "9", "118", "stated probability", "fraction correct"} <= texts
    assert drawn != reliability_svg([*bins[:2], Bin(0.97, 0.5, 118)])
