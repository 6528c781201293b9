"""Crops of both modalities, and photos whose translation the matcher's training takes."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from rich.console import Console
from support.training import WriteRun

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.gan.config import GanConfig
from distillmatch_ros.training.gan.data import CropSampler
from distillmatch_ros.training.gan.semantics import Semantics
from distillmatch_ros.training.gan.translation import Translator
from distillmatch_ros.training.sources import ImageStore, load_photos
from distillmatch_ros.training.trainer import Trainer
from distillmatch_ros.training.views import ViewRange

CPU = torch.device("cpu")
NEAR = ViewRange(side=(0.8, 0.95), rotation=5, shift=0.03, jitter=0.02, weight=1.0)


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def test_aligned_crops_show_the_same_and_others_do_not(write_gan: WriteRun) -> None:
    """The thermal images of the folder are the negative of the green channel."""
    config = GanConfig.load(write_gan(batch=8))
    crops = CropSampler(config, CPU).sample((0, 0))
    assert crops.visible.shape == (8, 3, 64, 96)
    assert crops.thermal.shape == (8, 1, 64, 96)
    assert crops.aligned.tolist() == [True] * 4 + [False] * 4
    alike = [correlation(v[1], t[0]) for v, t in zip(crops.visible, crops.thermal, strict=True)]
    assert max(alike[:4]) < -0.97
    assert min(alike[4:]) > -0.8


def test_crops_depend_on_their_seed_alone(write_gan: WriteRun) -> None:
    sampler = CropSampler(GanConfig.load(write_gan()), CPU)
    first, again, other = (sampler.sample((0, step)) for step in (1, 1, 2))
    assert torch.equal(first.visible, again.visible)
    assert torch.equal(first.thermal, again.thermal)
    assert not torch.equal(first.visible, other.visible)
    assert not torch.equal(first.thermal, other.thermal)


def test_folders_that_are_not_aligned_are_enough(
    write_gan: WriteRun, tmp_path: Path, pairs_folder: Path
) -> None:
    config = GanConfig.load(write_gan(pairs=None, thermals=str(pairs_folder / "thermal")))
    assert not CropSampler(config, CPU).sample((0, 0)).aligned.any()
    with pytest.raises(DistillMatchError, match="nothing to train on"):
        GanConfig.load(write_gan(pairs=None))


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_the_matchers_training_really_takes_translated_photos(
    write_run: WriteRun, gan: Path, photos_folder: Path, fraction: float
) -> None:
    """A translation that no tone curve of these photos could give is found in the batch."""

    def even(folder: Path, _v2i: Path | None, _device: torch.device, _console: Console) -> ImageStore:
        photos = load_photos(folder)
        return replace(photos, thermal=torch.full_like(photos.colours[:, :1], 77))

    path = write_run(
        augmentation={"v2i": "gan.pt", "probability": fraction}, fault_fraction=0.0, overprint_fraction=0.0
    )
    run = Trainer(TrainingConfig.load(path), Console(file=io.StringIO()), even)
    thermals = run.sampler.sample(64, (0, 0, 0), CPU).thermal
    flat = [bool(thermal.amax() - thermal.amin() < 0.01) for thermal in thermals]
    assert sum(flat) / 32 == pytest.approx(fraction, abs=0.4 if fraction else 0)


@pytest.mark.slow
def test_a_run_translates_its_photos_as_its_configuration_says(
    write_run: WriteRun, gan: Path, photos_folder: Path
) -> None:
    path = write_run(augmentation={"v2i": "gan.pt", "probability": 0.5})
    run = Trainer(TrainingConfig.load(path), Console(file=io.StringIO()))
    assert run.sampler.weights.tolist() == pytest.approx([0.5, 0.25, 0.25])
    expected = Translator.load(gan).store(load_photos(photos_folder))
    assert [len(store.thermal) for store in run.sampler.stores] == [4, 0, 3]
    assert torch.equal(run.sampler.stores[2].thermal, expected.thermal)
    assert torch.isfinite(torch.tensor(run.train_step()["total"]))
    # What a file of a photo gives is what its store gives.
    name = sorted(path.name for path in photos_folder.iterdir())[0]
    image = cv2.imread(str(photos_folder / name))
    picture = Translator.load(gan).picture(image)
    assert picture.shape == image.shape[:2]
    stored = cv2.resize(expected.thermal[0, 0].numpy(), image.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert abs(picture.astype(int) - stored.astype(int)).mean() < 2


@pytest.mark.parametrize(
    ("augmentation", "word"),
    [({"v2i": "nowhere.pt", "probability": 0.5}, "nowhere"), ({"v2i": "gan.pt"}, "probability")],
)
def test_a_wrong_augmentation_is_named(write_run: WriteRun, augmentation: dict, word: str) -> None:
    with pytest.raises(DistillMatchError, match=word):
        Trainer(TrainingConfig.load(write_run(augmentation=augmentation)), Console(file=io.StringIO()))


def test_weights_of_a_matcher_translate_nothing(student: Path) -> None:
    with pytest.raises(DistillMatchError, match=r"student\.pt: holds no V2I-GAN"):
        Translator.load(student)


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: {**values, "model": 5},
        lambda values: {**values, "model": {**values["model"], "heads": 0}},
        lambda values: {**values, "model": {**values["model"], "width": 8}},
        lambda values: {**values, "model": {**values["model"], "depth": 1}},
        lambda values: {**values, "step": None},
        lambda values: {**values, "semantics": 5},
        lambda values: {**values, "semantics": {}},
        lambda values: {**values, "semantics": {**values["semantics"], "weights": {}}},
        lambda values: {**values, "semantics": {**values["semantics"], "model": None}},
        lambda values: {**values, "weights": {}},
        lambda values: {**values, "weights": {name: w[..., None] for name, w in values["weights"].items()}},
    ],
)
def test_a_damaged_translator_is_named(gan: Path, damage: Callable[[dict], dict]) -> None:
    torch.save(damage(torch.load(gan)), gan)
    with pytest.raises(DistillMatchError, match=r"^\S*gan\.pt: .*; (train again|name a)"):
        Translator.load(gan)


def test_weights_of_another_architecture_have_no_semantic_branch(student: Path) -> None:
    values = torch.load(student)
    torch.save(values | {"weights": {}}, student)
    with pytest.raises(DistillMatchError, match=r"student\.pt: holds no weights of tiny .* is missing"):
        Semantics.open(str(student))
