import numpy as np

from distillmatch_ros.evaluation.street_rig import corner_error, pixel_errors, true_rig
from distillmatch_ros.scene import SyntheticPair


def test_the_true_rig_is_what_rendered_the_pair(near_street: SyntheticPair) -> None:
    rig = true_rig(near_street)
    rows, columns = np.nonzero(np.isfinite(near_street.truth[..., 0]))
    some = np.random.default_rng(0).choice(rows.size, 300, replace=False)
    for row, column in zip(rows[some], columns[some], strict=True):
        mapping = rig.at(1 / float(near_street.depth[row, column]))
        place = mapping.to_visible(np.array([[column, row]]))[0]
        np.testing.assert_allclose(place, near_street.truth[row, column], atol=0.1)


def test_errors_are_0_of_the_truth_and_grow_with_the_depth_that_is_taken(near_street: SyntheticPair) -> None:
    rig = true_rig(near_street)
    assert corner_error(rig, rig.at(1 / 12)) < 0.01
    far, near = (np.median(pixel_errors(near_street, rig.at(depth))) for depth in (1 / 15, 1 / 2))
    assert far < 3 < near
