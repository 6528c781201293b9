"""Registration of real pictures of any resolution: the warps decide here, not a script."""

import cv2
import numpy as np
import pytest

from distillmatch_ros import Registrar, Status
from distillmatch_ros.engines.protocol import EngineInfo, Float32, RawMatches
from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.registration.gate import Gate


class SiftEngine:
    """A real matcher for images of one modality, so that the warps and not a script decide."""

    def __init__(self, network: tuple[int, int]) -> None:
        self.info = EngineInfo(*network, 500, "sift", "fp32", "", "OpenCV")
        self.shown: list[tuple[Float32, Float32]] = []

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        self.shown.append((visible, thermal))
        sift = cv2.SIFT_create(500)
        keypoints, descriptors = zip(
            *(sift.detectAndCompute((image * 255).astype(np.uint8), None) for image in (visible, thermal)),
            strict=True,
        )
        matches = cv2.BFMatcher(crossCheck=True).match(*descriptors)
        visible_points = np.float32([keypoints[0][match.queryIdx].pt for match in matches])
        thermal_points = np.float32([keypoints[1][match.trainIdx].pt for match in matches])
        return RawMatches(visible_points, thermal_points, np.ones(len(matches), np.float32))

    def close(self) -> None:
        pass


def clouds(size: tuple[int, int]) -> np.ndarray:
    """A smooth random picture with detail at several scales."""
    generator = np.random.default_rng(2)
    layers = [
        cv2.resize(
            generator.random((size[0] // cell, size[1] // cell)), size[::-1], interpolation=cv2.INTER_CUBIC
        )
        for cell in (12, 24, 60)
    ]
    return cv2.normalize(sum(layers), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize(
    ("visible_size", "thermal_size"),
    [
        ((480, 640), (512, 640)),
        ((1080, 1920), (240, 320)),
        ((300, 400), (512, 640)),
        ((640, 480), (256, 320)),
    ],
)
def test_real_images_of_any_resolution_register(
    visible_size: tuple[int, int], thermal_size: tuple[int, int]
) -> None:
    visible = clouds(visible_size)
    tilt = np.array([[0.75, -0.08, 0.14], [0.08, 0.75, 0.08], [0.05, 0.04, 1.0]])
    to_share, from_share = (
        np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]])
        for height, width in (visible_size, thermal_size)
    )
    truth = to_share @ tilt @ np.linalg.inv(from_share)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    softened = cv2.GaussianBlur(visible, (0, 0), 0.5 * max(1, visible_size[1] / thermal_size[1]))
    thermal = cv2.warpPerspective(softened, truth, thermal_size[::-1], flags=flags)
    engine = SiftEngine((240, 320))
    gate = Gate(sure_peak_prominence=1.0)  # so that there is a second pass to look at
    result = Registrar(engine, gate=gate).register(visible, 20_000 + thermal.astype(np.uint16))
    assert result.status is Status.OK
    assert result.homography is not None
    assert corner_error(result.homography, truth, thermal_size, visible_size) < 1.0
    (plain_view, target), (aligned_view, same_target) = engine.shown
    np.testing.assert_array_equal(target, same_target)
    correlation = np.corrcoef(aligned_view.ravel(), target.ravel())[0, 1]
    assert correlation > 0.98 > 0.9 > np.corrcoef(plain_view.ravel(), target.ravel())[0, 1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_kind_of_image_registers(dtype: type, channels: int) -> None:
    picture = clouds((240, 320))
    alpha = np.full((240, 320), 128)
    planes = [picture, picture, picture, alpha][:channels]
    image = np.dstack(planes).astype(dtype)
    if image.dtype.kind == "f":
        image[5:8, 5:8] = np.nan
    result = Registrar(SiftEngine((240, 320))).register(image, image)
    assert result.homography is not None
    assert corner_error(result.homography, np.eye(3), (240, 320), (240, 320)) < 0.5 * 640 / 320
