"""Whatever rejects a pair is named, with what was found and what was asked for."""

import json
import re

import numpy as np
import pytest
from support import ROOT
from support.edge_scenes import THERMAL, TRUTH, VISIBLE
from support.scripted_engine import ScriptedEngine, points_of

from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.registration.alignment import Alignment
from distillmatch_ros.registration.gate import Gate, confirm, estimate
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import CAUSES, Rejection
from distillmatch_ros.registration.status import Status

MIRRORED = TRUTH @ np.array([[-1.0, 0, THERMAL[1]], [0, 1, 0], [0, 0, 1]])


def matches(homography: np.ndarray = TRUTH, count: int = 200, wrong: float = 0.2) -> tuple:
    random = np.random.default_rng(0)
    thermal = random.uniform((0, 0), THERMAL[::-1], (count, 2))
    visible = transform(homography, thermal) + random.normal(0, 1, (count, 2))
    chosen = random.random(count) < wrong
    visible[chosen] = random.uniform((0, 0), VISIBLE[::-1], (chosen.sum(), 2))
    return thermal, visible


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"min_matches": 201}, Status.FEW_MATCHES),
        ({"min_inliers": 199}, Status.FEW_INLIERS),
        ({"min_inlier_ratio": 0.95}, Status.FEW_INLIERS),
        ({"max_false_alarms": 1e-300, "inlier_px": 50.0}, Status.FEW_INLIERS),
        ({"min_spread": 1.0}, Status.DEGENERATE),
        ({"max_corner_std_px": 0.1}, Status.DEGENERATE),
        ({"min_scale": 2.0}, Status.DEGENERATE),
        ({"max_scale": 0.05, "min_scale": 0.01}, Status.DEGENERATE),
        ({"max_anisotropy": 1.0}, Status.DEGENERATE),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_a_threshold_on_the_matches_is_named(changes: dict, status: Status) -> None:
    name, limit = next(iter(changes.items()))
    found = estimate(*matches(), THERMAL, VISIBLE, Gate(**changes))
    assert found.homography is None and found.rejected_by is not None
    assert (found.rejected_by.threshold, found.rejected_by.limit, found.status) == (name, limit, status)
    value = found.rejected_by.value
    assert value is not None and (value < limit if name.startswith("min_") else value > limit)


@pytest.mark.parametrize(
    ("alignment", "name"),
    [
        (Alignment(TRUTH, 0.5, 0.01, 0.2), "min_peak_prominence"),
        (Alignment(TRUTH, 0.5, 0.4, 0.99), "max_second_peak_ratio"),
        (Alignment(MIRRORED, 0.5, 0.4, 0.2), "mirrored"),
        (Alignment(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.01, 1]]), 0.5, 0.4, 0.2), "max_perspective"),
    ],
)
def test_what_the_edges_contradict_is_named(alignment: Alignment, name: str) -> None:
    found = confirm(alignment, *matches(), THERMAL, VISIBLE, Gate())
    assert found.status is Status.DEGENERATE and found.homography is None
    assert found.rejected_by is not None and found.rejected_by.threshold == name


def test_an_accepted_homography_is_rejected_by_nothing() -> None:
    found = estimate(*matches(), THERMAL, VISIBLE, Gate())
    assert found.homography is not None and found.rejected_by is None and found.status is Status.OK


NOISE = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)


@pytest.mark.parametrize(
    ("visible", "thermal"),
    [(NOISE, np.full((240, 320), 7, np.uint8)), (np.zeros((240, 320), np.uint8), NOISE), (NOISE, NOISE[:8])],
    ids=["constant", "black", "tiny"],
)
def test_an_image_without_content_is_named(visible: np.ndarray, thermal: np.ndarray) -> None:
    found = Registrar(ScriptedEngine(points_of(np.eye(3)))).register(visible, thermal)
    assert found.rejected_by == Rejection("image_content") and found.status is Status.FEW_MATCHES


@pytest.mark.parametrize("threshold", CAUSES)
def test_every_cause_has_a_remedy_and_survives_json(threshold: str) -> None:
    reason = Rejection(threshold, 0.25, 0.5)
    assert Rejection.read(json.loads(json.dumps(reason.record()))) == reason
    assert reason.status.is_rejection and reason.cause.remedy.endswith(".") and reason.cause.topic
    assert threshold in reason.found


def test_thresholds_of_causes_are_settings_or_documented_reasons() -> None:
    page = (ROOT / "docs/concepts/gate.md").read_text()
    assert set(CAUSES) <= set(re.findall(r"`(\w+)`", page))


def test_the_table_of_statuses_lists_what_rejects_a_pair_on_its_own() -> None:
    page = (ROOT / "docs/how-to/images.md").read_text()
    for status in (Status.FEW_MATCHES, Status.FEW_INLIERS, Status.DEGENERATE):
        row = re.search(rf"^\| `{status.name}` \|.*\|(.*)\|$", page, re.MULTILINE)
        causes = {name for name, cause in CAUSES.items() if cause.status is status}
        assert row and set(re.findall(r"`(\w+)`", row[1])) == causes - {
            "earlier_pairs",
            "max_jump_px",
            "latency",
            "unknown_latency",
        }


@pytest.mark.parametrize("record", [None, "", {}, {"threshold": "unknown"}, {"threshold": None, "value": 1}])
def test_what_is_no_rejection_is_none(record: object) -> None:
    assert Rejection.read(record) is None


def test_values_that_are_no_numbers_become_unknown() -> None:
    assert Rejection.of("max_corner_std_px", np.inf, 15.0) == Rejection("max_corner_std_px", None, 15.0)
    assert Rejection.read({"threshold": "min_spread", "value": "n/a", "limit": float("nan")}) == Rejection(
        "min_spread"
    )
