"""Accuracy of a rig by drive, on simulated drives of which one is of another rig."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.cli import run
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive, shapes

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.rig import drives_below, evaluate_rig, record
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.learning import LearnedRig, Observation


def observed(count: int, seed: int) -> list[Observation]:
    seen, found = drive(count, seed=seed), []
    for number, (matches, plane) in enumerate(zip(seen.matches, seen.planes, strict=True)):
        mapping, image = RIG.on_plane(plane), shapes(100 * seed + number)
        own = HomographyMapping(mapping.homography, THERMAL, VISIBLE)
        found.append(Observation(image, 255 - mapping.warp_visible(image), matches, own))
    return found


def turned(pairs: list[Observation]) -> list[Observation]:
    """The same drive with the visible camera turned by 3 degrees about its axis."""
    turn = cv2.getRotationMatrix2D((480, 270), 3, 1.0)
    return [replace(pair, visible=cv2.warpAffine(pair.visible, turn, VISIBLE[::-1])) for pair in pairs]


def test_a_known_rig_is_judged_drive_by_drive() -> None:
    known = LearnedRig(RIG, (0.0, 0.08), shifted=False)
    good, moved = observed(3, 1), turned(observed(3, 2))
    good[0] = replace(good[0], mapping=None)
    first, second = evaluate_rig({"good": good, "moved": moved}, known)
    assert (first.drive, first.pairs, first.alone) == ("good", 3, 2)
    assert first.rig.edges_px < 0.3 < first.pair.edges_px and first.rig_on_others.edges_px < 0.3
    assert second.rig.edges_px > 2 and np.isnan(second.rig_on_others.edges_px)
    kept = record([first, second])
    assert kept[1]["rig_on_others"]["edges_px"] is None and kept[0]["rig"]["matches_px"] is not None


@pytest.mark.slow
def test_each_drive_is_judged_by_a_rig_of_the_others_or_of_its_other_half() -> None:
    drives = {"one": observed(8, 1), "two": observed(8, 2)}
    for accuracy in (*evaluate_rig(drives), *evaluate_rig({"one": drives["one"] + drives["two"]})):
        assert accuracy.rig.edges_px < 0.5 < accuracy.pair.edges_px


def test_other_sizes_and_folders_without_drives_are_named(tmp_path: Path) -> None:
    known = LearnedRig(RIG, (0.0, 0.08))
    pairs = observed(2, 1)
    small = replace(pairs[0], thermal=pairs[0].thermal[:256])
    with pytest.raises(DistillMatchError, match="2 different sizes"):
        evaluate_rig({"a": [pairs[0], small]}, known)
    with pytest.raises(DistillMatchError, match="640x512"):
        evaluate_rig({"a": [small]}, known)
    with pytest.raises(DistillMatchError, match="holds no drive"):
        drives_below(tmp_path)
    for name in "ab":
        for side in ("visible", "thermal"):
            (tmp_path / name / side).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / name / side / "1.png"), pairs[0].thermal)
    assert list(drives_below(tmp_path)) == ["a", "b"] and list(drives_below(tmp_path / "a")) == ["a"]
    assert run("evaluate", tmp_path, "--rig", tmp_path / "absent.yaml").exit_code == 2
