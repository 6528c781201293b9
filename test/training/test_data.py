"""Batches: what the loader reads, and that both views of a pair show the same places."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.pictures import picture

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.training.data import Batch, PairSampler
from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.sources import (
    STORED,
    ImageStore,
    load_pairs,
    load_photos,
    load_thermals,
    realigned,
)
from distillmatch_ros.training.views import ViewRange

CPU = torch.device("cpu")
NEAR = ViewRange(side=(0.8, 0.95), rotation=5, shift=0.03, jitter=0.02, weight=1.0, distortion=0.1)
SIZE = (64, 96)


def sample(pairs: Path, photos: Path | None, batch: int = 8, seed: int = 0) -> Batch:
    stores = [(load_pairs(pairs), 0.5)] + ([] if photos is None else [(load_photos(photos), 0.5)])
    return PairSampler(stores, 0.5, [NEAR], SIZE, (0.6, 1.0)).sample(batch, (seed, 0, 0), CPU)


def test_images_are_stored_at_one_size(pairs_folder: Path, photos_folder: Path) -> None:
    pairs, photos = load_pairs(pairs_folder), load_photos(photos_folder)
    assert pairs.colours.shape == (4, 3, *STORED)
    assert pairs.thermal.shape == (4, 1, *STORED)
    assert pairs.aspects.tolist() == pytest.approx([4 / 3] * 4)
    assert photos.colours.shape == (3, 3, *STORED)
    assert photos.aspects.tolist() == pytest.approx([1.5, 120 / 90, 1.2])


def test_colours_are_red_green_blue(pairs_folder: Path) -> None:
    cv2.imwrite(str(pairs_folder / "visible" / "0.png"), np.full((96, 128, 3), (10, 20, 30), np.uint8))
    assert load_pairs(pairs_folder).colours[0, :, 5, 5].tolist() == [30, 20, 10]


@pytest.mark.parametrize("with_photos", [True, False])
def test_a_batch_is_what_the_network_takes(
    pairs_folder: Path, photos_folder: Path, with_photos: bool
) -> None:
    batch = sample(pairs_folder, photos_folder if with_photos else None)
    for image in (batch.visible, batch.thermal):
        assert image.shape == (8, 1, *SIZE)
        assert image.dtype == torch.float32
        assert image.min() >= 0
        assert image.max() <= 1
    assert batch.thermal_to_visible.shape == (8, 3, 3)


def test_a_batch_depends_on_its_seed_alone(pairs_folder: Path, photos_folder: Path) -> None:
    first, again = sample(pairs_folder, photos_folder), sample(pairs_folder, photos_folder)
    other = sample(pairs_folder, photos_folder, seed=1)
    assert torch.equal(first.thermal, again.thermal)
    assert torch.equal(first.thermal_to_visible, again.thermal_to_visible)
    assert not torch.equal(first.thermal, other.thermal)


def test_the_homography_leads_to_the_same_place(pairs_folder: Path) -> None:
    """A white square on black, in both images of every pair: its centre is found where it is mapped to."""
    for side in ("visible", "thermal"):
        for path in (pairs_folder / side).iterdir():
            image = np.zeros((96, 128), np.uint8)
            image[40:56, 56:72] = 255
            cv2.imwrite(str(path), image)
    batch = sample(pairs_folder, None, batch=32)

    def centre(image: torch.Tensor) -> torch.Tensor:
        """Of the square, whether it came out dark or bright."""
        contrast = (image - image.median()).abs()
        weight = contrast * (contrast > 0.6 * contrast.max())
        rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
        return torch.stack([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()

    found = torch.stack([centre(image[0]) for image in batch.visible])
    thermal = torch.stack([centre(image[0]) for image in batch.thermal])
    expected = batch.mapping.to_visible(thermal[:, None])[:, 0]
    # Lamps, blobs and drift of the augmentation spoil some; the rest must agree.
    assert (found - expected).norm(dim=1).median() < 1.5


@pytest.mark.parametrize("scale", [1.0, 0.75])
def test_what_a_pair_is_misaligned_by_is_put_right(scale: float) -> None:
    visible = picture(0, 240, 320)
    size = (round(320 * scale), round(240 * scale))
    aligned = cv2.resize(255 - visible[..., 1], size, interpolation=cv2.INTER_AREA)
    off = np.array([[1.01, 0.005, 4.0], [-0.005, 0.99, -3.0], [0, 0, 1]])
    by_hand = cv2.warpPerspective(aligned, off, size, borderMode=cv2.BORDER_REPLICATE)
    found = realigned(visible, by_hand)
    assert found.shape == aligned.shape and found.dtype == np.uint8
    inner = np.s_[12:-12, 12:-12]
    before, after = (np.abs(image[inner].astype(int) - aligned[inner]).mean() for image in (by_hand, found))
    assert after < before / 3


def test_a_pair_whose_edges_are_not_sure_stays_as_it_is() -> None:
    thermal = picture(1, 240, 320)[..., 1]
    assert realigned(picture(0, 240, 320), thermal) is thermal
    assert realigned(np.zeros((240, 320), np.uint8), thermal) is thermal


def test_pairs_are_realigned_on_request_alone(pairs_folder: Path) -> None:
    for path in (pairs_folder / "thermal").iterdir():
        cv2.imwrite(str(path), np.roll(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), 2, axis=1))
    plain, mended = load_pairs(pairs_folder), load_pairs(pairs_folder, realign=True)
    inverted = 255 - plain.colours[:, 1:2].float()

    def off(store: ImageStore) -> float:
        return float((store.thermal.float() - inverted)[..., 20:-20, 20:-20].abs().mean())

    assert off(mended) < off(plain) / 2


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DistillMatchError, match="empty"):
        load_photos(tmp_path / "empty")
    with pytest.raises(DistillMatchError, match="missing"):
        load_photos(tmp_path / "missing")


def test_pairs_are_chosen_by_their_names(pairs_folder: Path) -> None:
    assert len(load_pairs(pairs_folder, names="[01].png").aspects) == 2
    with pytest.raises(DistillMatchError, match="no pair named rig_"):
        load_pairs(pairs_folder, names="rig_*")


@pytest.mark.slow
def test_sources_are_drawn_by_their_weights_however_large_they_are() -> None:
    counts = torch.bincount(Draw(4000, (1,), CPU).choice(torch.tensor([3.0, 1.0])))
    assert counts[0] / 4000 == pytest.approx(0.75, abs=0.03)

    def plain(count: int, grey: int) -> ImageStore:
        images = torch.full((count, 1, *STORED), grey, dtype=torch.uint8)
        return ImageStore(images.expand(-1, 3, -1, -1), images, torch.ones(count))

    sampler = PairSampler([(plain(1, 50), 3.0), (plain(20, 200), 1.0)], 0.0, [NEAR], SIZE, (0.6, 0.8))
    bright = (sampler.sample(200, (0, 0), CPU).visible.mean(dim=(1, 2, 3)) > 0.5).float().mean()
    assert bright == pytest.approx(0.25, abs=0.08)


def test_what_one_camera_never_took_is_made_of_the_others_picture(pairs_folder: Path) -> None:
    """Its edges stay, its values do not; the camera that was there shows what it took."""
    for store, kept in (
        (load_photos(pairs_folder / "visible"), "visible"),
        (load_thermals(pairs_folder / "thermal"), "thermal"),
    ):
        still = ViewRange(side=(1, 1), rotation=0, shift=0, jitter=0, weight=1.0)
        batch = PairSampler([(store, 1.0)], 0.0, [still], SIZE, (0.8, 0.8)).sample(16, (0, 0), CPU)
        difference = (batch.visible - batch.thermal).abs().mean(dim=(1, 2, 3))
        assert (difference > 0.05).float().mean() > 0.5
        # The made side is stretched to the whole range, up to what lies at the rim.
        made = batch.thermal if kept == "visible" else batch.visible
        assert (made.amax(dim=(1, 2, 3)) - made.amin(dim=(1, 2, 3)) > 0.9).all()


def test_nothing_matches_under_what_is_burnt_in(pairs_folder: Path) -> None:
    plain, printed = (
        PairSampler(
            [(load_pairs(pairs_folder), 1.0)], 0.0, [NEAR], SIZE, (0.6, 0.8), overprint_fraction=fraction
        ).sample(16, (0, 0), CPU)
        for fraction in (0.0, 1.0)
    )
    changed = plain.thermal != printed.thermal
    assert 0.02 < changed.float().mean() < 0.4
    assert (printed.thermal_mask[changed] == 0).all()
