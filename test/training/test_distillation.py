"""Distillation: what the loss compares, that it teaches, and that it leaves teacher and export alone."""

from pathlib import Path

import pytest
import torch
from support.training import WriteRun, quiet, trainer
from torch.nn import functional as F

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.resources import find
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights, read
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.distillation import DistillationConfig, DistillationLoss
from distillmatch_ros.training.teachers import open_teacher
from distillmatch_ros.training.trainer import train

EVEN = DistillationConfig("teacher", mse=1.0, gram=1.0, kl=1.0)
CPU = torch.device("cpu")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def own_teacher(tmp_path: Path, tiny_config: ModelConfig) -> Path:
    """Random weights of the tiny network."""
    torch.manual_seed(5)
    path = tmp_path / "teacher.pt"
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(path)
    return path


@pytest.fixture
def dinov2(tmp_path: Path) -> Path:
    """A tiny DINOv2 whose features are of another width than the student's."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(5)
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    transformers.Dinov2WithRegistersModel(config).save_pretrained(tmp_path / "dinov2")
    return tmp_path / "dinov2"


def distilled(teacher: Path, **changes: object) -> dict[str, object]:
    return {"distillation": {"teacher": str(teacher), "mse": 1.0, "gram": 1.0, "kl": 1.0, **changes}}


@pytest.mark.parametrize(
    "name", ["light-small", "light-medium", "light", "light-gpu", "light-distilled", "base"]
)
def test_shipped_configurations_load(name: str) -> None:
    config = TrainingConfig.load(find(f"config/training/{name}.yaml"))
    assert (config.distillation is not None) == (name == "light-distilled")


def test_features_that_agree_cost_nothing() -> None:
    features = random(2, 16, 4, 6)
    losses = DistillationLoss(16, 16, EVEN)(3 * features + 1, features)
    assert max(float(loss) for loss in losses.values()) < 1e-6
    assert losses.keys() == {"mse", "gram", "kl"}


def test_the_parts_are_what_their_names_say() -> None:
    student, teacher = random(1, 8, 2, 3), random(1, 8, 2, 3, seed=1)
    losses = DistillationLoss(8, 8, EVEN)(student, teacher)
    tokens, targets = ((x - x.mean(1, keepdim=True)).flatten(2)[0].T for x in (student, teacher))
    tokens, targets = (x / x.var(1, correction=0, keepdim=True).add(1e-5).sqrt() for x in (tokens, targets))
    cosines = [F.cosine_similarity(x[:, None], x[None], dim=2) for x in (tokens, targets)]
    p, q = targets.softmax(1), tokens.softmax(1)
    assert losses["mse"] == pytest.approx(float((tokens - targets).square().mean()), rel=1e-4)
    assert losses["gram"] == pytest.approx(float((cosines[0] - cosines[1]).square().sum() / 6**2), rel=1e-3)
    assert losses["kl"] == pytest.approx(float((p * (p / q).log()).sum(1).mean()), rel=1e-4)


def test_gram_alone_does_not_care_which_channel_says_it() -> None:
    features = random(2, 16, 4, 6)
    losses = DistillationLoss(16, 16, EVEN)(features.flip(1), features)
    assert losses["gram"] < 1e-6 < 0.1 < losses["mse"]


def test_widths_that_differ_are_projected() -> None:
    loss = DistillationLoss(16, 24, EVEN)
    student, teacher = random(2, 16, 4, 6).requires_grad_(), random(2, 24, 4, 6).requires_grad_()
    torch.stack(list(loss(student, teacher).values())).sum().backward()
    assert student.grad is not None and student.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in loss.parameters())
    assert teacher.grad is None


@pytest.mark.slow
def test_distillation_alone_brings_the_student_to_its_teacher(tiny_config: ModelConfig, dinov2: Path) -> None:
    """Visible and thermal images: loss down by five times or more, cosine similarity up."""
    teacher = open_teacher(DistillationConfig(str(dinov2), 1, 1, 1), (64, 96), CPU)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    images = torch.stack([random(1, 4, 6, seed=seed) for seed in range(4)])
    images = F.interpolate(images, (64, 96), mode="bicubic").sigmoid()
    images[2:] = 1 - images[:2] ** 2  # a negative of another contrast
    torch.manual_seed(0)
    # In evaluation mode: the random place of a view is for training on many.
    network, loss = DistillMatch(tiny_config).eval(), DistillationLoss(32, teacher.width, EVEN)
    optimizer = torch.optim.AdamW([*network.parameters(), *loss.parameters()], lr=5e-3)
    target = teacher(images)

    def step() -> tuple[float, float]:
        semantic = network.student(network.texture(network.normalisation(images))[2])
        total = torch.stack(list(loss(semantic, target).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        similar = F.cosine_similarity(loss.projection(semantic), target.float()).mean()
        return total.item(), similar.item()

    losses, cosines = zip(*(step() for _ in range(60)), strict=True)
    assert losses[-1] < losses[0] / 5
    assert cosines[-1] > 0.8 > cosines[0] + 0.3
    assert all(p.grad is None for p in teacher.parameters())
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_training_runs_the_total_loss(write_run: WriteRun, dinov2: Path) -> None:
    run = trainer(write_run(**distilled(dinov2, mse=2.0, kl=0.5)))
    losses = run.train_step()
    weights = {
        "coarse": 1.0,
        "fine": 0.3,
        "subpixel": 0.5,
        "modality": 0.1,
        "mse": 2.0,
        "gram": 1.0,
        "kl": 0.5,
    }
    assert losses.keys() == weights.keys() | {"total", "gradient_norm"}
    assert losses["total"] == pytest.approx(sum(weight * losses[name] for name, weight in weights.items()))
    student = run.network.student.embedding.weight.grad
    assert student is not None and student.abs().max() > 0
    assert run.teacher is not None
    assert all(parameter.grad is None for parameter in run.teacher.parameters())


@pytest.mark.slow
def test_nothing_of_the_teacher_is_in_the_weights(write_run: WriteRun, dinov2: Path) -> None:
    plain, taught = write_run("plain"), write_run("taught", **distilled(dinov2))
    for path in (plain, taught):
        train(path, quiet())
    first, second = (Weights.load(path.with_suffix("") / "weights.pt") for path in (plain, taught))
    assert first.state.keys() == second.state.keys()
    assert first.sha256() != second.sha256()
    second.network()


@pytest.mark.slow
@pytest.mark.parametrize("cache", [None, "cache"])
def test_a_resumed_distillation_ends_where_an_unbroken_one_does(
    write_run: WriteRun, dinov2: Path, cache: str | None
) -> None:
    """The projection and its place in the optimiser come back, too."""
    changes = distilled(dinov2, cache=cache)
    train(write_run("unbroken", **changes), quiet())
    begun = trainer(write_run("broken", **changes))
    for _ in range(2):
        begun.train_step()
        begun.step += 1
    begun.save()
    train(write_run("broken", **changes), quiet())
    folder = write_run().parent
    unbroken, broken = (read(folder / name / "last.pt") for name in ("unbroken", "broken"))
    for part in ("network", "weights", "distillation"):
        for name, value in unbroken[part].items():
            torch.testing.assert_close(broken[part][name], value, msg=name)


def test_a_run_does_not_change_its_teacher_midway(
    write_run: WriteRun, dinov2: Path, own_teacher: Path
) -> None:
    trainer(write_run("plain")).save()
    with pytest.raises(DistillMatchError, match=r"last\.pt: was begun with another distillation"):
        trainer(write_run("plain", **distilled(own_teacher)))
    trainer(write_run("taught", **distilled(dinov2))).save()
    with pytest.raises(DistillMatchError, match=r"last\.pt: was begun with another distillation"):
        trainer(write_run("taught"))
    with pytest.raises(DistillMatchError, match="another distillation"):
        trainer(write_run("taught", **distilled(own_teacher)))


def test_a_network_of_our_own_teaches_a_run(write_run: WriteRun, own_teacher: Path) -> None:
    run = trainer(write_run(**distilled(Path(own_teacher.name))))  # relative to the configuration
    assert run.train_step()["mse"] > 0
    assert run.distillation is not None
    assert not list(run.distillation.parameters())  # one width: nothing to project


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"distillation": {"teacher": "nowhere.pt", "mse": 1, "gram": 1, "kl": 1}}, r"nowhere\.pt"),
        ({"distillation": {"teacher": "x", "mse": 1}}, "gram"),
        ({"distillation": {"teacher": "x", "mse": 1, "gram": 1, "kl": 1, "speed": 1}}, "speed"),
        ({"view": [60, 96]}, "view"),
        ({"view": [128, 96]}, "view"),
    ],
)
def test_what_is_wrong_is_named(write_run: WriteRun, change: dict[str, object], word: str) -> None:
    with pytest.raises(DistillMatchError, match=word):
        trainer(write_run(**change))
