"""The training loop on a tiny data set: it learns, resumes, and tells what is wrong."""

import math
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import WriteRun, fall, quiet, silent, trainer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights, read
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.data import Batch
from distillmatch_ros.training.ground_truth import coarse_cells
from distillmatch_ros.training.trainer import learning_rate, train


@pytest.mark.slow
def test_a_few_steps_lower_the_loss_of_a_fixed_batch(write_run: WriteRun) -> None:
    run = trainer(write_run(steps=1000, learning_rate=3e-3, warmup=1))
    assert fall(run, "total", 25) < 0.8


def test_every_parameter_learns(write_run: WriteRun) -> None:
    run = trainer(write_run())
    run.train_step()
    # The bias of a key shifts all scores of a query alike, which a softmax cannot see.
    assert [name for name in silent(run.network) if "key_value.bias" not in name] == []


@pytest.mark.slow
def test_a_finished_run_leaves_weights_that_register(write_run: WriteRun) -> None:
    train(write_run(), quiet())
    folder = write_run().parent / "run"
    weights = Weights.load(folder / "weights.pt")
    assert weights.steps == 4
    for name, value in Weights.load(folder / "last.pt").state.items():
        # Saved in half precision.
        torch.testing.assert_close(weights.state[name], value, rtol=1e-3, atol=1e-6, msg=name)
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        assert weights.network()(image, image)[0].shape == (1, 16, 2)


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_changes_no_weights(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(steps=100)
    run = trainer(path)
    run.save()
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    forward = run.loss.forward
    monkeypatch.setattr(
        run.loss, "forward", lambda *given: {k: v * torch.nan for k, v in forward(*given).items()}
    )
    with pytest.raises(DistillMatchError, match="not a number"):
        run.run()
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert read(run.last)["step"] == 0


def test_learning_rate_warms_up_and_falls(write_run: WriteRun) -> None:
    config = TrainingConfig.load(write_run(steps=100, warmup=10, learning_rate=1.0))
    assert learning_rate(config, 0) == pytest.approx(0.1)
    assert learning_rate(config, 10) == pytest.approx(1.0)
    assert learning_rate(config, 99) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"speed": 1}, "speed"),
        ({"loss": {"coarse": 1.0}}, "missing"),
        ({"sources": [{"kind": "pairs", "folder": "nowhere", "weight": 1}]}, "nowhere"),
        ({"sources": [{"kind": "photos", "folder": "nowhere", "weight": 1}]}, "nowhere"),
        ({"sources": [{"kind": "radar", "folder": ".", "weight": 1}]}, r"sources\[0\].kind is 'radar'"),
        ({"sources": []}, "sources"),
        ({"pretrained": "lite0.pth"}, "lite0.pth, but the model has no trunk"),
        ({"start": "nowhere.pt"}, "nowhere"),
        ({"start": 5}, "start is 5, not a valid string"),
        ({"output": None}, "output is None, not a valid string"),
        ({"batch": 0}, "batch is 0, not greater than or equal to 1"),
        ({"steps": -1}, "steps is -1"),
        ({"learning_rate": "1e-4"}, "learning_rate is '1e-4', not a valid number"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"average": 2}, "average is 2, not less than 1"),
        ({"average": 1}, "average is 1, not less than 1"),
        ({"crop": [1.0, 0.5]}, r"crop \[1.0, 0.5\] must be the least and the greatest fraction"),
        ({"crop": [3.0, 5.0]}, r"crop\[0\] is 3.0, not less than or equal to 1"),
        ({"view": [64]}, "missing view.1."),
        ({"view": [64, 128]}, "view 64x128 must be at most the model's 64x96"),
        ({"views": []}, "views: List should have at least 1 item"),
        ({"views": [5]}, r"views\[0\] is 5, not an object"),
        ({"loss": 5}, "loss is 5, not an object"),
        ({"model": 5}, "model: 5 is not a path"),
        ({"distillation": {"teacher": 5, "mse": -1, "gram": 1, "kl": 1}}, "teacher is 5.*mse is -1"),
        ({"augmentation": {"v2i": "gan.pt", "probability": 2}}, "augmentation.probability is 2"),
    ],
)
def test_what_is_wrong_is_named(write_run: WriteRun, change: dict[str, object], word: str) -> None:
    with pytest.raises(DistillMatchError, match=word):
        trainer(write_run(**change))


def test_a_run_does_not_replace_its_start(write_run: WriteRun, tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match=r"weights\.pt, which this run would replace"):
        trainer(write_run(output=str(tmp_path / "own"), start=str(tmp_path / "own/weights.pt")))


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: {**values, "weights": None},
        lambda values: {**values, "weights": {"a": 1.0}},
        lambda values: {**values, "model": 5},
        lambda values: {**values, "model": {**values["model"], "heads": 0}},
        lambda values: {**values, "step": "many"},
        lambda values: {**values, "weights": dict(list(values["weights"].items())[1:])},
        lambda values: {**values, "weights": {k: v[..., None] for k, v in values["weights"].items()}},
    ],
)
def test_damaged_weights_are_an_error(
    tmp_path: Path, tiny_config: ModelConfig, damage: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    path = tmp_path / "weights.pt"
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(path)
    torch.save(damage(torch.load(path)), path)
    with pytest.raises(DistillMatchError, match=r"weights\.pt: .*; train again, or name another file"):
        Weights.load(path).network()
    path.write_bytes(b"")
    with pytest.raises(DistillMatchError, match=r"weights\.pt: cannot be read"):
        Weights.load(path)


def test_bad_data_is_named_before_anything_is_trained(write_run: WriteRun, pairs_folder: Path) -> None:
    path = write_run()
    trainer(path).save()
    last = path.parent / "run" / "last.pt"
    before = last.read_bytes()
    (pairs_folder / "visible" / "2.png").write_bytes(b"cut off")
    with pytest.raises(DistillMatchError, match=r"visible/2\.png"):
        train(path, quiet())
    (pairs_folder / "visible" / "2.png").unlink()
    with pytest.raises(DistillMatchError, match=r"without a partner of the same name: thermal/2\.png"):
        train(path, quiet())
    assert last.read_bytes() == before


def test_a_folder_of_three_pairs_trains(write_run: WriteRun, pairs_folder: Path) -> None:
    for side in ("visible", "thermal"):
        (pairs_folder / side / "3.png").unlink()
    losses = trainer(
        write_run(batch=6, sources=[{"kind": "pairs", "folder": str(pairs_folder), "weight": 1}])
    ).train_step()
    assert math.isfinite(losses["total"])
    assert math.isfinite(losses["gradient_norm"])


@pytest.mark.slow
def test_a_run_depends_on_its_seed_alone(write_run: WriteRun) -> None:
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        train(write_run(name, seed=seed), quiet())
    folder = write_run().parent
    first, again, other = (Weights.load(folder / name / "last.pt") for name in ("first", "again", "other"))
    assert first.sha256() == again.sha256() != other.sha256()


@pytest.mark.slow
def test_two_processes_train_as_one(write_run: WriteRun, tiny_config: ModelConfig) -> None:
    """Each draws its own batch; the gradient is that of both batches in one, and the weights stay alike."""
    folder = write_run().parent
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(folder / "teacher.pt")
    teacher = {"teacher": "teacher.pt", "mse": 1.0, "gram": 1.0, "kl": 1.0}
    path = write_run(steps=2, distillation=teacher)
    script = path.parent / "run.py"
    script.write_text(
        "import hashlib, io, os, torch\n"
        "from pathlib import Path\n"
        "from rich.console import Console\n"
        "from distillmatch_ros.training.config import TrainingConfig\n"
        "from distillmatch_ros.training.trainer import Trainer\n"
        "torch.set_num_threads(1)\n"
        f"run = Trainer(TrainingConfig.load(Path({str(path)!r})), Console(file=io.StringIO()))\n"
        "images = run.sampler.sample(2, (3, 0, run.rank), run.device)\n"
        "taught = run.teacher(torch.cat([images.visible, images.thermal]))\n"
        "torch.manual_seed(0)\n"
        "run.loss(images, taught)['total'].backward()\n"
        "gradients = {name: p.grad for name, p in run.network.named_parameters()}\n"
        f"torch.save(gradients, Path({str(path.parent)!r}, 'gradients' + os.environ['RANK']))\n"
        "run.run()\n"
        "state = b''.join(v.numpy().tobytes() for v in run.network.state_dict().values())\n"
        f"told = Path({str(path.parent)!r}, 'hash' + os.environ['RANK'])\n"
        "told.write_text(hashlib.sha256(state).hexdigest())\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=2",
            f"--master-port={port}",
            str(script),
        ],
        check=True,
        capture_output=True,
        timeout=200,
    )
    assert (folder / "hash0").read_text() == (folder / "hash1").read_text()

    alone = trainer(write_run("alone", steps=2, distillation=teacher))
    batches = [alone.sampler.sample(2, (3, 0, rank), alone.device) for rank in (0, 1)]
    joined = Batch(*(torch.cat([getattr(b, field.name) for b in batches]) for field in fields(Batch)))
    counts = [len(coarse_cells(b.mapping, b.visible_mask, b.thermal_mask).pair) for b in batches]
    assert counts[0] != counts[1]  # else the mean of two means would do
    assert alone.teacher is not None
    taught = alone.teacher(torch.cat([joined.visible, joined.thermal]))
    torch.manual_seed(0)  # the places of the views
    alone.loss(joined, taught)["total"].backward()
    gradients = torch.load(folder / "gradients0")
    for name, parameter in alone.network.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)
