"""Baselines of ``distillmatch evaluate`` by name."""

from collections.abc import Callable, Mapping

from distillmatch_ros.base.errors import needing
from distillmatch_ros.evaluation import peers
from distillmatch_ros.evaluation.accuracy import Register
from distillmatch_ros.evaluation.features import FeatureMatcher

BASELINES: Mapping[str, tuple[str, Callable[[], Register]]] = {
    "sift": ("SIFT", FeatureMatcher.sift),
    "akaze": ("AKAZE", FeatureMatcher.akaze),
    "xfeat": ("XFeat", peers.XFeatMatcher),
    "lighterglue": ("XFeat + LighterGlue", peers.LighterGlueMatcher),
    "lightglue": ("ALIKED + LightGlue", peers.LightGlueMatcher),
}
"""Name in tables and factory by name on the command line."""
CLASSIC = ("sift", "akaze")
"""Baselines that need nothing but OpenCV."""


def open_baselines(names: list[str]) -> dict[str, Register]:
    """Open baselines, by their names in tables.

    Args:
        names: keys of `BASELINES`.

    Raises:
        DistillMatchError: the packages of a baseline are not installed.
    """
    with needing("peers"):
        return {BASELINES[name][0]: BASELINES[name][1]() for name in dict.fromkeys(names)}
