"""Impossible pairs: what they show, and how accepted ones are counted."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from support.cli import run

from distillmatch_ros import DistillMatchError
from distillmatch_ros.evaluation.impossible import ALL, KINDS, count
from distillmatch_ros.evaluation.statistics import upper_bound
from distillmatch_ros.images.pairs import read_folder


class Recorder:
    """Accepts each ninth pair, and keeps what it was given."""

    def __init__(self, search: bool = False) -> None:
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self._search = search

    def register(self, visible: np.ndarray, thermal: np.ndarray, **kinds: bool) -> Any:
        assert kinds == {"search": self._search, "verify": True, "restart": not self._search}
        self.pairs.append((visible, thermal))
        return SimpleNamespace(homography=np.eye(3) if len(self.pairs) % 9 == 1 else None, probability=0.7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four places; the thermal image of each is dark on the left, and bright where the number says."""
    for index in range(4):
        cells = np.random.default_rng(index).integers(0, 256, (15, 20)).astype(np.uint8)
        visible = cv2.resize(cells, (320, 240), interpolation=cv2.INTER_CUBIC)
        thermal = np.tile(np.linspace(20, 120, 320).astype(np.uint8), (240, 1))
        for side, image in (("visible", visible), ("thermal", thermal)):
            (tmp_path / side).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / side / f"{index}.png"), image)
    return tmp_path


def test_kinds_are_registered_in_equal_numbers_and_accepted_ones_are_named(folder: Path) -> None:
    recorder, told = Recorder(), []
    figures = count(recorder, read_folder(folder), 9, on_pair=lambda: told.append(1))  # type: ignore[arg-type]
    assert [each.kind for each in figures] == [*KINDS, ALL]
    assert [each.pairs for each in figures] == [9, 9, 9, 9, 36]
    assert [len(each.accepted) for each in figures] == [1, 1, 1, 1, 4]
    assert len(told) == len(recorder.pairs) == 36
    assert figures[-1].at_most == pytest.approx(upper_bound(4, 36))
    for accepted in figures[-1].accepted:
        same = Path(accepted.visible).name == Path(accepted.thermal).name
        assert same == accepted.kind.startswith("mirrored") and accepted.probability == 0.7


def test_thermal_images_are_turned_and_marks_are_in_both_images(folder: Path) -> None:
    recorder = Recorder()
    count(recorder, read_folder(folder), 6)  # type: ignore[arg-type]
    mirrored = Counter(
        float(np.corrcoef(heat[256], np.arange(640))[0, 1]) < 0 for _, heat in recorder.pairs[2::4]
    )
    assert mirrored[True] > 0  # upside down alone does not exchange left and right
    for bare, marked in zip(recorder.pairs[::2], recorder.pairs[1::2], strict=True):
        changed = [
            cv2.absdiff(one, other).reshape(*one.shape[:2], -1).max(2) > 0
            for one, other in zip(bare, marked, strict=True)
        ]
        seen = cv2.resize(
            changed[0].astype(np.uint8), changed[1].shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        assert (seen.view(bool) & changed[1]).sum() > 0.4 * changed[1].sum() > 100


def test_the_same_seed_draws_the_same_pairs_and_another_one_others(folder: Path) -> None:
    recorders = [Recorder() for _ in range(3)]
    for recorder, seed in zip(recorders, (0, 0, 1), strict=True):
        count(recorder, read_folder(folder), 2, seed)  # type: ignore[arg-type]
    heat = [recorder.pairs[0][1] for recorder in recorders]
    assert (heat[0] == heat[1]).all() and not (heat[0] == heat[2]).all()


def test_pairs_are_searched_as_match_does_if_that_is_asked_for(folder: Path) -> None:
    recorder = Recorder(search=True)
    assert count(recorder, read_folder(folder), 1, search=True)[-1].pairs == 4  # type: ignore[arg-type]


def test_one_place_gives_no_impossible_pairs(folder: Path) -> None:
    with pytest.raises(DistillMatchError, match="same place"):
        count(Recorder(), read_folder(folder)[:1], 1)  # type: ignore[arg-type]


def test_what_is_registered_before_a_stop_is_told(folder: Path) -> None:
    figures = count(Recorder(), read_folder(folder), 9, stop=lambda: True)  # type: ignore[arg-type]
    assert [each.pairs for each in figures] == [1, 0, 0, 0, 1]


def test_the_command_counts(folder: Path, write_network) -> None:
    arguments = ("--pairs", "1", "--model", write_network(), "--threads", "1", "--json", "-")
    result = run("evaluate-impossible", folder, *arguments)
    assert result.exit_code == 0, result.output
    assert {each["kind"]: each["pairs"] for each in json.loads(result.stdout)} == {
        **dict.fromkeys(KINDS, 1),
        ALL: 4,
    }
