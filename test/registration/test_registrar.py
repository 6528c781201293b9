import cv2
import numpy as np
import pytest
from support.scripted_engine import (
    ALIGNED_PX,
    NETWORK,
    NUDGE,
    THERMAL,
    TRUTH,
    VISIBLE,
    ScriptedEngine,
    aligned,
    corner_error,
    noise_pair,
    plain,
    points_of,
    scene_pair,
)
from support.tiny_network import WriteNetwork

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import Float32, RawMatches
from distillmatch_ros.geometry.homography import resize_matrix, transform
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.alignment import Aligner
from distillmatch_ros.registration.crops import Wider
from distillmatch_ros.registration.gate import Gate


def test_one_pass_maps_points_back_to_camera_pixels() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH), wrong=40, empty=30))
    result = Registrar(engine).register(*scene_pair())
    assert result.status is Status.OK
    assert len(engine.shown) == 1
    assert result.visible_points.dtype == result.thermal_points.dtype == result.confidence.dtype == np.float32
    assert len(result.visible_points) == len(result.thermal_points) == len(result.confidence) == 170
    assert result.inliers.dtype == np.bool_
    assert 130 <= result.inliers.sum() <= 132
    assert result.homography is not None
    assert result.homography.dtype == np.float64
    assert (result.confidence > 0).all()
    expected = transform(TRUTH, result.thermal_points[40:])
    np.testing.assert_allclose(result.visible_points[40:], expected, atol=1e-3)
    assert corner_error(result, TRUTH) < ALIGNED_PX


def test_edges_correct_what_matches_leave() -> None:
    engine = ScriptedEngine(points_of(plain(NUDGE @ TRUTH)))
    result = Registrar(engine).register(*scene_pair())
    assert result.status is Status.OK
    assert corner_error(result, TRUTH) < ALIGNED_PX
    distances = np.hypot(*(transform(result.homography, result.thermal_points) - result.visible_points).T)
    np.testing.assert_array_equal(result.inliers, distances * 640 / VISIBLE[1] <= Gate().inlier_px)


def test_alignment_that_ends_half_way_goes_on_from_there() -> None:
    off = np.array([[1.0, -0.028, 35.0], [0.028, 1.0, 28.0], [0, 0, 1.0]])
    visible, thermal = scene_pair()
    half_way = Aligner(thermal).align(visible, off @ TRUTH)
    assert half_way.peak_prominence < Gate().min_peak_prominence
    right, misled = points_of(plain(TRUTH), empty=170), points_of(plain(off @ TRUTH))

    def answer(*images: Float32) -> RawMatches:
        """Of 200 matches, 170 that obey the wrong homography."""
        few, many = right(*images), misled(*images)
        mixed = np.where(few.confidence[:, None] > 0, few.visible_points, many.visible_points)
        return RawMatches(mixed, many.thermal_points, many.confidence)

    result = Registrar(ScriptedEngine(answer), passes=1).register(visible, thermal)
    assert corner_error(result, TRUTH) < ALIGNED_PX
    assert result.inliers.sum() == 30


def test_matches_that_no_edge_bears_out_are_degenerate_and_keep_their_points() -> None:
    far = np.array([[1.0, 0, 150], [0, 1, 0], [0, 0, 1]]) @ TRUTH
    for pair, answer in ((noise_pair(), TRUTH), (scene_pair(), far)):
        result = Registrar(ScriptedEngine(points_of(plain(answer)))).register(*pair)
        assert result.status is Status.DEGENERATE
        assert result.rejected_by is not None and result.rejected_by.threshold == "min_peak_prominence"
        assert result.homography is None
        assert len(result.visible_points) > 100


def test_matches_on_a_repeating_pattern_are_degenerate() -> None:
    """However well they agree: which of its periods they mean is chance."""
    tiles = np.where(np.add.outer(np.arange(VISIBLE[0]) // 30, np.arange(VISIBLE[1]) // 30) % 2, 200, 60)
    visible = tiles.astype(np.uint8)
    homography = np.array([[2.0, 0, 150.0], [0, 2.0, 10.0], [0, 0, 1.0]])
    thermal = cv2.warpPerspective(visible, homography, THERMAL[::-1], flags=cv2.WARP_INVERSE_MAP)
    result = Registrar(ScriptedEngine(points_of(plain(homography)))).register(visible, thermal)
    assert result.status is Status.DEGENERATE
    assert result.rejected_by is not None and result.rejected_by.threshold == "max_second_peak_ratio"
    assert result.homography is None


def test_second_pass_sees_the_aligned_pair_where_the_first_is_not_sure() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH)), points_of(aligned(TRUTH, by=TRUTH)))
    for passes, shown in ((1, 1), (2, 2)):
        engine.shown.clear()
        never_sure = Registrar(engine, passes, Gate(sure_peak_prominence=1.0))
        assert corner_error(never_sure.register(*scene_pair()), TRUTH) < ALIGNED_PX
        assert len(engine.shown) == shown
    np.testing.assert_array_equal(engine.shown[0][1], engine.shown[1][1])
    agreement = np.corrcoef(*(image[20:-20, 20:-20].ravel() for image in engine.shown[1]))[0, 1]
    assert agreement < -0.9  # thermal is the negative


def test_second_pass_that_is_worse_than_the_first_is_dropped() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH)), points_of(np.eye(3), wrong=200))
    result = Registrar(engine, gate=Gate(sure_peak_prominence=1.0)).register(*scene_pair())
    assert len(engine.shown) == 2
    assert corner_error(result, TRUTH) < ALIGNED_PX


def test_rough_matches_are_enough_where_edges_agree() -> None:
    def rough(visible: Float32, thermal: Float32) -> RawMatches:
        exact = points_of(plain(TRUTH))(visible, thermal)
        shaken = exact.visible_points + np.random.default_rng(0).normal(0, 1.3, exact.visible_points.shape)
        return RawMatches(shaken.astype(np.float32), exact.thermal_points, exact.confidence)

    result = Registrar(ScriptedEngine(rough)).register(*scene_pair())
    assert corner_error(result, TRUTH) < ALIGNED_PX
    assert result.inliers.mean() < 0.95


def test_rejected_first_pass_gives_its_reason_and_its_points() -> None:
    for wrong, count, status in ((200, 200, Status.FEW_INLIERS), (0, 5, Status.FEW_MATCHES)):
        engine = ScriptedEngine(points_of(plain(TRUTH), count=count, wrong=wrong))
        result = Registrar(engine).register_prepared(PreparedPair.of(*noise_pair()), None, (Wider.VISIBLE,))
        assert result.status is status
        assert result.homography is None
        assert len(engine.shown) == 1
        assert len(result.visible_points) == len(result.inliers) == count


def test_prior_replaces_the_first_pass() -> None:
    prior = NUDGE @ TRUTH
    engine = ScriptedEngine(points_of(aligned(TRUTH, by=prior)))
    result = Registrar(engine).register(*scene_pair(), prior=prior)
    assert len(engine.shown) == 1
    assert corner_error(result, TRUTH) < ALIGNED_PX


def test_prior_that_leads_nowhere_costs_only_time() -> None:
    stale = np.array([[1.0, 0, 200], [0, 1, 0], [0, 0, 1]]) @ TRUTH
    exact = points_of(plain(TRUTH)), points_of(aligned(TRUTH, by=TRUTH))
    engine = ScriptedEngine(points_of(np.eye(3), wrong=200), *exact)
    assert corner_error(Registrar(engine).register(*scene_pair(), prior=stale), TRUTH) < ALIGNED_PX
    assert len(engine.shown) == 2
    mirror = np.diag([-1.0, 1.0, 1.0])
    engine = ScriptedEngine(*exact)
    assert corner_error(Registrar(engine).register(*scene_pair(), prior=mirror), TRUTH) < ALIGNED_PX
    assert len(engine.shown) == 1


def test_points_outside_the_images_and_not_finite_are_dropped() -> None:
    def answer(visible: Float32, thermal: Float32) -> RawMatches:
        good = points_of(plain(TRUTH), count=100)(visible, thermal)
        bad = np.array([[-2, 5], [5, -2], [160, 5], [5, 128], [np.nan, 5], [np.inf, 5], [5, 5]], np.float32)
        fine = np.full_like(bad, 50)
        confidence = np.append(good.confidence, np.float32([*[0.9] * 6, np.nan] * 2))
        return RawMatches(
            np.concatenate([good.visible_points, bad, fine]),
            np.concatenate([good.thermal_points, fine, bad]),
            confidence,
        )

    result = Registrar(ScriptedEngine(answer), passes=1).register(*scene_pair())
    assert len(result.visible_points) == 100
    assert result.status is Status.OK


def test_engine_is_shown_grey_float_images_of_its_size() -> None:
    engine = ScriptedEngine(points_of(np.eye(3)))
    visible = np.zeros((*VISIBLE, 3), np.uint8)
    visible[:, 480:] = (255, 255, 255)
    thermal = np.full(THERMAL, 7000, np.uint16)
    thermal[128:] = 7050
    Registrar(engine, passes=1).register(visible, thermal)
    for image in engine.shown[0]:
        assert image.shape == NETWORK
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == 1
    assert engine.shown[0][0][:, 100].min() == 1
    assert engine.shown[0][1][100].min() == 1


def test_latency_names_every_stage() -> None:
    latency = Registrar(ScriptedEngine(points_of(plain(TRUTH)))).register(*scene_pair()).latency_ms
    assert set(latency) == {"gain_control", "resize", "engine", "homography", "alignment", "total"}
    assert 0 < sum(latency.values()) - latency["total"] <= latency["total"]


def test_aligned_view_averages_what_it_shrinks() -> None:
    visible, thermal = noise_pair((1080, 1920))
    engine = ScriptedEngine(points_of(np.eye(3)))
    Registrar(engine).register(visible, thermal, prior=resize_matrix(THERMAL, (1080, 1920)))
    # One network pixel covers 12 x 8 pixels of white noise; sampling alone would leave half of its 0.29.
    assert engine.shown[0][0].std() < 0.06


def test_aligned_view_is_even_beyond_the_visible_image() -> None:
    visible, thermal = noise_pair()
    engine = ScriptedEngine(points_of(np.eye(3)))
    wide = resize_matrix(THERMAL, VISIBLE) @ np.array([[2.0, 0, -160], [0, 2, -128], [0, 0, 1]])
    Registrar(engine).register_prepared(PreparedPair.of(visible, thermal), wide, (Wider.VISIBLE,))
    view = engine.shown[0][0]
    np.testing.assert_allclose(view[:30], visible.mean() / 255, atol=0.01)
    assert view[40:-40, 50:-50].std() > 0.01


NO_CONTENT = [
    np.zeros(THERMAL, np.uint8),
    np.zeros((*THERMAL, 3), np.uint8),
    np.full(THERMAL, 255, np.uint8),
    np.full(THERMAL, 7000, np.uint16),
    np.full(THERMAL, np.nan, np.float32),
    np.full(THERMAL, np.inf, np.float32),
    np.full((1, 1), 9, np.uint8),
    np.arange(8, dtype=np.uint16).reshape(2, 4),
    np.arange(320, dtype=np.float32)[None],
    np.arange(320, dtype=np.uint8)[:, None] % 200,
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "image", NO_CONTENT, ids=lambda image: f"{image.shape} {image.dtype} {image.flat[0]}"
)
def test_image_without_content_gives_few_matches(image: np.ndarray) -> None:
    """Even from an engine that is sure of itself, as networks are of positions."""
    engine = ScriptedEngine(points_of(np.eye(3)))
    visible, thermal = noise_pair()
    for pair in ((visible, image), (image, thermal), (image, image)):
        result = Registrar(engine).register(*pair)
        assert result.status is Status.FEW_MATCHES
        assert result.homography is None
        assert result.visible_points.shape == result.thermal_points.shape == (0, 2)
        assert result.confidence.shape == result.inliers.shape == (0,)
        assert result.latency_ms["engine"] == 0 < result.latency_ms["total"]


def test_swapped_arguments_of_different_sizes_are_an_ordinary_pair() -> None:
    visible, thermal = noise_pair((*VISIBLE, 3), THERMAL)
    engine = ScriptedEngine(points_of(np.eye(3), wrong=200))
    result = Registrar(engine).register(thermal.astype(np.uint16), visible)
    assert result.status is Status.FEW_INLIERS


@pytest.mark.parametrize(
    "bad", [None, np.zeros(4), np.zeros((0, 0), np.uint8), np.zeros((9, 9), np.complex64)]
)
def test_what_is_not_an_image_is_named(bad: np.ndarray) -> None:
    registrar = Registrar(ScriptedEngine(points_of(np.eye(3))))
    good = noise_pair()[1]
    with pytest.raises(DistillMatchError, match=r"^visible image: "):
        registrar.register(bad, good)
    with pytest.raises(DistillMatchError, match=r"^thermal image: "):
        registrar.register(good, bad)


def test_open_runs_a_real_network_and_closes_it(write_network: WriteNetwork) -> None:
    with Registrar.open(write_network(), backend="onnx", threads=1) as registrar:
        assert registrar.engine.info.config == "tiny"
        visible = scene_pair()[0][:512, :640]
        thermal = cv2.resize(visible, (320, 256), interpolation=cv2.INTER_AREA)
        result = registrar.register(visible, thermal)
        assert result.status is Status.OK
        assert corner_error(result, resize_matrix((256, 320), (512, 640))) < ALIGNED_PX
    engine = ScriptedEngine(points_of(np.eye(3)))
    with Registrar(engine):
        pass
    assert engine.closed


def test_passes_are_one_or_two() -> None:
    with pytest.raises(DistillMatchError, match="3 passes are not possible; choose 1 or 2"):
        Registrar(ScriptedEngine(points_of(np.eye(3))), passes=3)
