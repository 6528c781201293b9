"""The ablation table: every row a network of its own, trained alike, resumed, and never silently full."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from support.training import WriteRun
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

WriteAblation = Callable[..., Path]


@pytest.fixture
def write_ablation(write_run: WriteRun, pairs_folder: Path, tmp_path: Path) -> WriteAblation:
    """Writes an ablation file with a training configuration; keywords are changes for all rows."""

    def write(rows: list[dict[str, Any]], **changes: Any) -> Path:
        training = write_run(validation=str(pairs_folder))
        path = tmp_path / "ablation.yaml"
        common = {"steps": 1, **changes}
        path.write_text(yaml.safe_dump({"training": training.name, "changes": common, "rows": rows}))
        return path

    return write


def run(config: Path, out: Path) -> Ablation:
    return ablate(config, out, Console(file=io.StringIO()))


def changed(path: Path, out: Path) -> dict[str, TrainingConfig]:
    return {row.name: row.stages[-1] for row in plan(path, out)[1]}


def test_a_row_changes_what_it_names_and_nothing_else(write_ablation: WriteAblation, tmp_path: Path) -> None:
    sources = [{"kind": "photos", "folder": "photos", "weight": 1.0}]
    path = write_ablation(
        [
            {"name": "full"},
            {"name": "seed 4", "changes": {"seed": 4}},
            {"name": "without CEFG", "changes": {"model": {"without": ["cefg"]}}},
            {"name": "gamma 0", "changes": {"loss": {"gamma": 0.0}}},
            {"name": "photos alone", "changes": {"sources": sources}},
        ]
    )
    out = tmp_path / "out"
    full, *others = changed(path, out).values()
    assert full == replace(TrainingConfig.load(tmp_path / "run.yaml"), steps=1, output=out / "full")
    assert others == [
        replace(full, seed=4, output=out / "seed-4"),
        replace(full, model=replace(full.model, without=("cefg",)), output=out / "without-CEFG"),
        replace(full, loss=replace(full.loss, gamma=0.0), output=out / "gamma-0"),
        replace(full, sources=others[3].sources, output=out / "photos-alone"),
    ]
    assert [(source.kind, source.folder) for source in others[3].sources] == [("photos", tmp_path / "photos")]


def test_a_row_may_name_another_model(
    write_ablation: WriteAblation, tmp_path: Path, tiny_config: ModelConfig
) -> None:
    other = {**tiny_config.to_dict(), "trunk": "efficientnet-lite0"}
    (tmp_path / "trunk.yaml").write_text(yaml.safe_dump(other))
    path = write_ablation(
        [
            {"name": "trunk", "changes": {"model": "trunk.yaml"}},
            {"name": "deep", "changes": {"model": {"heads": 1}}},
        ]
    )
    rows = changed(path, tmp_path / "out")
    assert rows["trunk"].model == replace(tiny_config, trunk="efficientnet-lite0")
    assert rows["deep"].model == replace(tiny_config, heads=1)
    both = changed(
        write_ablation([{"name": "deep", "changes": {"model": {"heads": 1}}}], model="trunk.yaml"), tmp_path
    )
    assert both["deep"].model == replace(tiny_config, trunk="efficientnet-lite0", heads=1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"name": "x", "changes": {"sead": 4}}, "row 'x': unknown sead"),
        ({"name": "x", "changes": {"loss": {"gama": 4}}}, "row 'x': unknown .*gama"),
        ({"name": "x", "changes": {"model": {"deep": 4}}}, "row 'x': unknown deep"),
        ({"name": "x", "changes": {"model": "none.yaml"}}, r"none\.yaml: cannot be read"),
        ({"name": "x", "changes": {"start": "none.pt"}}, r"row 'x': .*none\.pt does not exist"),
        ({"name": "x", "before": {"pretrained": "none.pth"}}, "row 'x': .*pretrained"),
        ({"name": "../x"}, r"rows\[1\]\.name"),
        ({"name": "y z"}, "y-z more than once"),
        ({}, "name"),
    ],
)
def test_wrong_rows_are_named_before_anything_is_trained(
    write_ablation: WriteAblation, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    path = write_ablation([{"name": "y-z"}, row])
    with pytest.raises(DistillMatchError, match=reason):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


ROWS: list[dict[str, Any]] = [
    {"name": "full"},
    {"name": "without CAA", "changes": {"model": {"without": ["caa"]}}},
]


@pytest.mark.slow
def test_the_table_holds_a_score_for_each_row_and_preset(
    write_ablation: WriteAblation, tmp_path: Path
) -> None:
    ablation = run(write_ablation(ROWS), tmp_path / "out")
    named = [(score.preset, score.method) for score in ablation.figures.scores]
    assert named == [(preset, row["name"]) for preset in ("rig", "hard") for row in ROWS]
    written = (tmp_path / "out/ablation.md").read_text()
    assert "1 steps of 2 pairs, views of 96x64, seed 3" in written
    assert "| rig | without CAA |" in written
    record = json.loads((tmp_path / "out/ablation.json").read_text())
    assert len(record["figures"]["scores"]) == 4
    assert Weights.load(tmp_path / "out/without-CAA/weights.pt").config.without == ("caa",)


@pytest.mark.slow
def test_a_row_starts_from_the_stage_before_it(
    write_ablation: WriteAblation, tmp_path: Path, tiny_config: ModelConfig
) -> None:
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1).save(tmp_path / "teacher.pt")
    teacher = {"teacher": "teacher.pt", "mse": 1.0, "gram": 1.0, "kl": 1.0, "cache": "cache"}
    alone = {"coarse": 0.0, "fine": 0.0, "subpixel": 0.0, "modality": 0.0}
    before = {"steps": 2, "seed": 5, "distillation": teacher, "loss": alone}
    path = write_ablation([{"name": "taught", "before": before}])
    out = tmp_path / "out"
    run(path, out)
    assert list((tmp_path / "cache").iterdir())
    row = changed(path, out)["taught"]
    assert row.distillation is None
    again = replace(row, start=out / "taught/before/weights.pt", output=tmp_path / "again", validation=None)
    Trainer(again, Console(file=io.StringIO())).run()
    first, second = (Weights.load(folder / "last.pt") for folder in (row.output, again.output))
    assert first.sha256() == second.sha256()
    with pytest.raises(
        DistillMatchError, match=r"row\.json: was begun with another seed; name another --out"
    ):
        run(write_ablation([{"name": "taught", "before": {**before, "seed": 6}}]), out)
    with pytest.raises(DistillMatchError, match=r"was begun with another before"):
        run(write_ablation([{"name": "taught"}]), out)


@pytest.mark.slow
def test_finished_rows_are_kept_and_the_others_go_on(write_ablation: WriteAblation, tmp_path: Path) -> None:
    out, path = tmp_path / "out", write_ablation([*ROWS, {"name": "seed 4", "changes": {"seed": 4}}])
    run(path, out)
    table = (out / "ablation.md").read_text()
    kept = out / "full/last.pt"
    made = kept.stat().st_mtime_ns
    (out / "without-CAA/row.json").unlink()
    (out / "seed-4/row.json").unlink()
    (out / "seed-4/last.pt").unlink()
    result = CliRunner().invoke(app, ["ablate", str(path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert (out / "ablation.md").read_text() == table
    assert kept.stat().st_mtime_ns == made
    assert "without-CAA/last.pt" in result.stdout.replace("\n", "")  # gone on with
    with pytest.raises(
        DistillMatchError, match=r"row\.json: was begun with another steps; name another --out"
    ):
        run(write_ablation(ROWS, steps=2), out)


@pytest.mark.parametrize("content", ["[1, 2]", "{}", '{"settings": 5}', "{"])
def test_a_damaged_row_is_told(write_ablation: WriteAblation, tmp_path: Path, content: str) -> None:
    (tmp_path / "out/full").mkdir(parents=True)
    (tmp_path / "out/full/row.json").write_text(content)
    with pytest.raises(DistillMatchError, match=r"row\.json: cannot be read .* delete"):
        run(write_ablation(ROWS), tmp_path / "out")


@pytest.mark.slow
def test_photos_are_translated_once_and_the_rows_stay_what_they_were(
    write_ablation: WriteAblation, photos_folder: Path, tmp_path: Path, tiny_config: ModelConfig
) -> None:
    torch.manual_seed(7)
    matcher = Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 1)
    semantics, generator = StudentBranch.of(matcher), GeneratorConfig(4, 1, 1, 2, 2)
    translator = Translator(generator, semantics, 1)
    save(contents(generator, translator.generator.state_dict(), semantics, 1), tmp_path / "gan.pt")
    gan = {"v2i": "gan.pt", "probability": 0.5}
    photos = [{"kind": "photos", "folder": str(photos_folder), "weight": 1}]
    path = write_ablation(ROWS, augmentation=gan, sources=photos)
    said = io.StringIO()
    ablate(path, tmp_path / "out", Console(file=said, width=500))
    assert said.getvalue().count("translating 3 photos") == 1
    for name, config in changed(path, tmp_path / "out").items():
        alone = replace(config, output=tmp_path / "alone" / name, validation=None)
        Trainer(alone, Console(file=io.StringIO())).run()
        first, second = (Weights.load(c.output / "last.pt") for c in (config, alone))
        assert first.sha256() == second.sha256(), name


def test_the_command_names_what_it_needs(write_ablation: WriteAblation, tmp_path: Path) -> None:
    path = write_ablation(ROWS, validation=None)
    result = CliRunner().invoke(app, ["ablate", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "set validation" in result.stderr
