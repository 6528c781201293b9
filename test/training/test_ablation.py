"""The ablation table: every row a network of its own, trained alike, resumed, and never silently full."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.engines import open_engine
from distillmatch_ros.model.config import BLOCKS, ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights, save
from distillmatch_ros.training.ablation import Ablation, ablate, plan
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.export import export
from distillmatch_ros.training.gan.config import GeneratorConfig
from distillmatch_ros.training.gan.semantics import StudentBranch
from distillmatch_ros.training.gan.translation import Translator, contents
from distillmatch_ros.training.trainer import Trainer

WriteRun = Callable[..., Path]
NAMES = ("full", "without CAA", "without SAA", "without distillation", "without CEFG", "without V2I-GAN")


@pytest.fixture
def write_ablation(
    write_run: WriteRun, pairs_folder: Path, tmp_path: Path, tiny_config: ModelConfig
) -> WriteRun:
    """A training configuration with a teacher and validation pairs."""
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(tmp_path / "teacher.pt")
    teacher = {"teacher": "teacher.pt", "mse": 1.0, "gram": 1.0, "kl": 1.0, "cache": "cache"}
    given = {"validation": str(pairs_folder), "distillation": teacher}
    return lambda **changes: write_run(**{**given, **changes})


def run(config: Path, out: Path, steps: int = 1) -> Ablation:
    return ablate(config, steps, out, Console(file=io.StringIO()))


def test_each_row_lacks_one_ingredient_and_nothing_else(write_run: WriteRun, tmp_path: Path) -> None:
    teacher = {"teacher": "some/model", "mse": 1.0, "gram": 1.0, "kl": 1.0}
    gan = {"v2i": "gan.pt", "probability": 0.5}
    path = write_run(start="start.pt", distillation=teacher, augmentation=gan)
    rows = {row.name: row.config for row in plan(TrainingConfig.load(path), 7, tmp_path)}
    assert tuple(rows) == NAMES
    lacking = {
        name: (config.model.without, config.distillation is None, config.augmentation is None)
        for name, config in rows.items()
        if config is not None
    }
    assert lacking == {
        "full": ((), False, False),
        "without CAA": (("caa",), False, False),
        "without SAA": (("saa",), False, False),
        "without distillation": ((), True, False),
        "without CEFG": (("cefg",), False, False),
        "without V2I-GAN": ((), False, True),
    }
    alike = {(c.start, c.steps, c.seed, c.batch, c.learning_rate) for c in rows.values() if c is not None}
    assert alike == {(path.parent / "start.pt", 7, 3, 2, 2e-3)}
    assert len({c.output for c in rows.values() if c is not None}) == 6


def test_a_block_that_the_model_lacks_has_a_row_with_it(write_run: WriteRun, tmp_path: Path) -> None:
    config = TrainingConfig.load(write_run())
    config = replace(config, model=replace(config.model, without=("saa",)))
    rows = {row.name: row.config for row in plan(config, 7, tmp_path)}
    blocks = {name: row.model.without for name, row in rows.items() if row is not None}
    expected = {
        "full": ("saa",),
        "without CAA": ("saa", "caa"),
        "with SAA": (),
        "without CEFG": ("saa", "cefg"),
    }
    assert blocks == expected


@pytest.mark.parametrize("block", BLOCKS)
def test_an_ablated_network_starts_with_what_it_shares_with_the_whole(
    write_run: WriteRun, tmp_path: Path, tiny_config: ModelConfig, block: str
) -> None:
    whole = DistillMatch(tiny_config)
    Weights(tiny_config, whole.state_dict(), 1).save(tmp_path / "whole.pt")
    config = TrainingConfig.load(write_run(start=str(tmp_path / "whole.pt")))
    config = replace(config, model=replace(config.model, without=(block,)))
    network = Trainer(config, Console(file=io.StringIO())).network
    state, shared = network.state_dict(), whole.state_dict()
    assert state.keys() < shared.keys()
    for name, value in state.items():
        torch.testing.assert_close(value, shared[name].half().float())


@pytest.mark.parametrize("block", BLOCKS)
def test_a_whole_network_starts_with_what_an_ablated_one_has(
    write_run: WriteRun, tmp_path: Path, tiny_config: ModelConfig, block: str
) -> None:
    ablated = replace(tiny_config, without=(block,))
    begun = DistillMatch(ablated).state_dict()
    Weights(ablated, begun, 1).save(tmp_path / "ablated.pt")
    config = TrainingConfig.load(write_run(start=str(tmp_path / "ablated.pt")))
    state = Trainer(config, Console(file=io.StringIO())).network.state_dict()
    for name, value in begun.items():
        torch.testing.assert_close(state[name], value.half().float())


@pytest.mark.parametrize("block", BLOCKS)
def test_an_ablated_network_is_a_normal_network(tmp_path: Path, tiny_config: ModelConfig, block: str) -> None:
    """Fewer weights, none of them idle; it survives its file, and a graph comes out of it."""
    config = ModelConfig.from_dict({**tiny_config.to_dict(), "without": [block]}, "test")
    network, whole = DistillMatch(config), DistillMatch(tiny_config)
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in whole.parameters())
    images = torch.rand(2, 1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    description = network.describe(*images)
    assert (description.modality_logits is None) == (block == "cefg")
    path = tmp_path / "ablated.pt"
    Weights(config, network.state_dict(), 1).save(path)
    loaded = Weights.load(path)
    assert loaded.config == config
    with torch.no_grad():
        semantic, again = (n.eval().describe(*images).semantic for n in (network, loaded.network()))
    torch.testing.assert_close(again, semantic, rtol=0.05, atol=0.05)  # saved in half precision
    assert loaded.network()(*images)[0].shape == (1, 16, 2)


@pytest.mark.slow
def test_an_ablated_network_exports(tmp_path: Path, tiny_config: ModelConfig) -> None:
    config = ModelConfig.from_dict({**tiny_config.to_dict(), "without": list(BLOCKS)}, "test")
    export(Weights(config, DistillMatch(config).state_dict(), 1), tmp_path / "ablated.onnx")
    engine = open_engine(tmp_path / "ablated.onnx")
    grey = torch.rand(64, 96).numpy()
    assert engine(grey, grey).visible_points.shape == (16, 2)


def test_weights_from_before_there_was_a_choice_load(tiny_config: ModelConfig) -> None:
    values = tiny_config.to_dict()
    del values["without"]
    assert ModelConfig.from_dict(values, "test") == tiny_config


@pytest.mark.slow
def test_the_table_holds_what_was_trained_and_says_what_is_missing(
    write_ablation: WriteRun, tmp_path: Path
) -> None:
    ablation = run(write_ablation(), tmp_path / "out")
    trained = [name for name in NAMES if name != "without V2I-GAN"]
    assert [score.method for score in ablation.figures.scores] == trained * 2
    assert [score.preset for score in ablation.figures.scores] == ["rig"] * 5 + ["hard"] * 5
    assert list(ablation.missing) == ["without V2I-GAN"]
    written = (tmp_path / "out/ablation.md").read_text()
    assert "1 steps of 2 pairs, views of 96x64, seed 3" in written
    assert "| rig | without CEFG |" in written
    assert "- without V2I-GAN: the configuration names no V2I-GAN (augmentation.v2i)" in written
    record = json.loads((tmp_path / "out/ablation.json").read_text())
    assert len(record["figures"]["scores"]) == 10
    assert Weights.load(tmp_path / "out/without-CAA/weights.pt").config.without == ("caa",)
    assert list((tmp_path / "cache").iterdir())


@pytest.mark.slow
def test_finished_rows_are_kept_and_the_others_go_on(write_ablation: WriteRun, tmp_path: Path) -> None:
    out, path = tmp_path / "out", write_ablation(distillation=None)
    run(path, out)
    table = (out / "ablation.md").read_text()
    kept = out / "full/last.pt"
    made = kept.stat().st_mtime_ns
    (out / "without-SAA/row.json").unlink()
    (out / "without-CEFG/row.json").unlink()
    (out / "without-CEFG/last.pt").unlink()
    result = CliRunner().invoke(app, ["ablate", str(path), "--steps", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert (out / "ablation.md").read_text() == table
    assert kept.stat().st_mtime_ns == made
    assert "without-SAA/last.pt" in result.stdout.replace("\n", "")  # gone on with
    assert "without distillation is missing" in result.stderr
    with pytest.raises(
        DistillMatchError, match=r"row\.json: was begun with another steps; name another --out"
    ):
        run(path, out, steps=2)


@pytest.mark.slow
def test_photos_are_translated_once_and_the_rows_stay_what_they_were(
    write_run: WriteRun, pairs_folder: Path, photos_folder: Path, tmp_path: Path, tiny_config: ModelConfig
) -> None:
    torch.manual_seed(7)
    matcher = Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1)
    semantics, generator = StudentBranch.of(matcher), GeneratorConfig(4, 1, 1, 2, 2)
    translator = Translator(generator, semantics, 1)
    save(contents(generator, translator.generator.state_dict(), semantics, 1), tmp_path / "gan.pt")
    gan = {"v2i": "gan.pt", "probability": 0.5}
    photos = [{"kind": "photos", "folder": str(photos_folder), "weight": 1}]
    path = write_run(validation=str(pairs_folder), augmentation=gan, sources=photos)
    said = io.StringIO()
    ablate(path, 1, tmp_path / "out", Console(file=said, width=500))
    assert said.getvalue().count("translating 3 photos") == 1
    for row in plan(TrainingConfig.load(path), 1, tmp_path / "out"):
        if row.config is not None:
            alone = replace(row.config, output=tmp_path / "alone" / row.name, validation=None)
            Trainer(alone, Console(file=io.StringIO())).run()
            first, second = (Weights.load(c.output / "last.pt") for c in (row.config, alone))
            assert first.sha256() == second.sha256(), row.name


def test_the_command_names_what_it_needs(write_run: WriteRun, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ablate", str(write_run()), "--steps", "1", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "set validation" in result.stderr
