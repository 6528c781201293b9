"""The V2I-GAN's training: it learns, resumes, draws samples, and tells what is wrong."""

import signal
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from support.training import WriteRun, fall, quiet, silent

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.weights import read
from distillmatch_ros.training.gan.config import GanConfig
from distillmatch_ros.training.gan.trainer import GanTrainer, learning_rate, train_gan
from distillmatch_ros.training.gan.translation import Translator


def trainer(path: Path) -> GanTrainer:
    return GanTrainer(GanConfig.load(path), quiet())


def same(first: Any, second: Any) -> bool:
    """Whether two checkpoints hold the same values."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@pytest.mark.slow
def test_a_few_steps_bring_the_translation_to_its_aligned_image(write_gan: WriteRun) -> None:
    run = trainer(write_gan(steps=1000, learning_rate=3e-3, unpaired_fraction=0.0))
    assert fall(run, "supervised", 12) < 0.7


def test_every_parameter_learns_and_the_semantic_branch_does_not(write_gan: WriteRun) -> None:
    run = trainer(write_gan())
    run.train_step()
    for players in (run.generators, run.discriminators):
        # A bias before instance normalisation, or of a key before softmax, changes nothing.
        assert [name for name in silent(players) if not name.endswith("bias")] == []
    assert all(parameter.grad is None for parameter in run.semantics.parameters())


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_unbroken_one_does(write_gan: WriteRun) -> None:
    unbroken = write_gan("unbroken", steps=5)
    train_gan(unbroken, quiet())
    broken = write_gan("broken", steps=5)
    begun = trainer(broken)
    for _ in range(3):
        begun.train_step()
        begun.step += 1
    begun.save()
    train_gan(broken, quiet())
    first, second = (read(path.with_suffix("") / "last.pt") for path in (unbroken, broken))
    assert second["step"] == 5
    assert len(second["pools"][0]) == 3
    different = [key for key in first if not same(first[key], second[key])]
    assert different == []


@pytest.mark.slow
def test_a_finished_run_leaves_a_translator_and_samples(write_gan: WriteRun, pairs_folder: Path) -> None:
    path = write_gan(samples=str(pairs_folder))
    train_gan(path, quiet())
    folder = path.with_suffix("")
    translator = Translator.load(folder / "weights.pt")
    assert translator.steps == 4
    kept = translator.state_dict()
    assert same(kept, Translator.load(folder / "last.pt").state_dict())
    # The average, not the last step, is what is kept.
    last = read(folder / "last.pt")["generators"]
    assert not torch.equal(kept["generator.stem.0.weight"], last["to_thermal.stem.0.weight"])
    grid = cv2.imread(str(folder / "samples" / "000004.png"))
    assert grid.shape == (4 * 176, 4 * 224, 3)
    visible = cv2.imread(str(pairs_folder / "visible" / "0.png"))
    shown = cv2.resize(grid[:176, :224], visible.shape[1::-1])
    assert abs(shown.astype(int) - visible.astype(int)).mean() < 20
    assert list(folder.glob("events.out.tfevents.*"))


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_changes_nothing(
    write_gan: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(write_gan(steps=100))
    run.save()
    before = read(run.last)
    sample = run.sampler.sample

    def spoilt(seed: tuple[int, ...]) -> Any:
        crops = sample(seed)
        crops.thermal[:] = torch.nan
        return crops

    monkeypatch.setattr(run.sampler, "sample", spoilt)
    with pytest.raises(DistillMatchError, match="not a number"):
        run.run()
    for name in ("generators", "average", "discriminators"):
        weights = {key: value for key, value in before[name].items() if "_u" not in key and "_v" not in key}
        now = getattr(run, name).state_dict()
        assert all(torch.equal(value, now[key]) for key, value in weights.items()), name
    assert len(run.thermal_pool.images) == 0
    assert read(run.last)["step"] == 0


def test_the_learning_rate_holds_and_then_falls(write_gan: WriteRun) -> None:
    config = GanConfig.load(write_gan(steps=100, learning_rate=1.0))
    assert learning_rate(config, 0) == learning_rate(config, 50) == 1.0
    assert learning_rate(config, 75) == pytest.approx(0.5)
    assert 0 < learning_rate(config, 99) < 0.03


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"speed": 1}, "speed"),
        ({"batch": -1}, "batch is -1"),
        ({"unpaired_fraction": 1.5}, "unpaired_fraction is 1.5"),
        ({"output": None}, "output is None"),
        ({"loss": 5}, "loss is 5"),
        ({"semantics": 5}, "semantics is 5"),
        ({"loss": {"cycle": 1.0}}, "missing"),
        ({"generator": {"width": 4}}, "missing"),
        ({"view": [60, 96]}, "32"),
        ({"pairs": "nowhere"}, "nowhere"),
        ({"semantics": "nowhere.pt"}, "nowhere"),
        (
            {
                "generator": {
                    "width": 3,
                    "heads": 5,
                    "encoder_blocks": 1,
                    "decoder_blocks": 1,
                    "stride": 2,
                }
            },
            "heads",
        ),
    ],
)
def test_what_is_wrong_is_named(write_gan: WriteRun, change: dict[str, Any], word: str) -> None:
    with pytest.raises(DistillMatchError, match=word):
        trainer(write_gan(**change))


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry", ["average", "generators", "discriminators", "optimizers", "pools", "semantics", "step"]
)
def test_a_damaged_checkpoint_is_named(write_gan: WriteRun, entry: str) -> None:
    path = write_gan()
    run = trainer(path)
    run.save()
    values = torch.load(run.last)
    for damaged in (values | {entry: None}, {key: values[key] for key in values if key != entry}):
        torch.save(damaged, run.last)
        with pytest.raises(DistillMatchError, match=r"last\.pt: .*; (choose|train|name) "):
            trainer(path)


@pytest.mark.slow
def test_a_checkpoint_of_other_views_is_named(write_gan: WriteRun) -> None:
    path = write_gan(steps=2)
    train_gan(path, quiet())
    with pytest.raises(DistillMatchError, match=r"last\.pt: was begun with another view"):
        trainer(write_gan(steps=4, view=[96, 96]))


@pytest.mark.slow
def test_ctrl_c_keeps_the_steps_that_are_done(write_gan: WriteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(write_gan(checkpoint_every=100))
    sample = run.sampler.sample

    def interrupted(seed: tuple[int, ...]) -> Any:
        if run.step == 1:
            signal.raise_signal(signal.SIGINT)
        return sample(seed)

    monkeypatch.setattr(run.sampler, "sample", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert read(run.last)["step"] == 2
    assert Translator.load(run.last.with_name("weights.pt")).steps == 2


def test_a_checkpoint_of_something_else_is_named(write_gan: WriteRun, student: Path) -> None:
    path = write_gan()
    (path.with_suffix("")).mkdir()
    student.rename(path.with_suffix("") / "last.pt")
    with pytest.raises(DistillMatchError, match=r"last\.pt"):
        trainer(write_gan(semantics=str(path.with_suffix("") / "last.pt")))
