"""Ablation: networks trained alike but for what their rows change, compared on the same pairs."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.console import Console

from distillmatch_ros.base import configuration
from distillmatch_ros.base.configuration import LocalPath, YamlConfiguration
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_json, write_text
from distillmatch_ros.base.yaml import read_yaml
from distillmatch_ros.engines.torch import TorchEngine
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import AccuracyReport, Score, Unreadable, compare
from distillmatch_ros.evaluation.warped import PRESETS
from distillmatch_ros.images.pairs import PairPaths, read_folder
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.weights import Weights, is_whole
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.gan.translation import OpenPhotos, open_photos
from distillmatch_ros.training.loop import WEIGHTS
from distillmatch_ros.training.resuming import differences
from distillmatch_ros.training.trainer import Trainer

# Random homographies per pair and preset.
WARPS = 3


@dataclass(frozen=True)
class RowConfig:
    """One row of the table.

    Attributes:
        name: name of the row; its network is written to a folder of that name.
        changes: keys of the training configuration with their values in this row. Mappings change only the
            keys that they name; lists replace the whole list.
        before: changes of a stage that is trained before and whose weights the row starts from, or None.
    """

    name: Annotated[str, Field(pattern=r"^\w[\w .,+-]*$")]
    changes: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] | None = None


@dataclass(frozen=True)
class AblationConfig(YamlConfiguration):
    """An ablation.

    Attributes:
        training: training configuration that is changed, with validation pairs. Paths among the changes are
            relative to it.
        rows: the rows of the table.
        changes: changes for all rows, such as ``steps``; those of a row come after them.
    """

    EXAMPLE = "config/training/ablation.yaml"

    training: LocalPath
    rows: Annotated[list[RowConfig], Field(min_length=1)]
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folders = [_folder(row.name) for row in self.rows]
        if twice := sorted({name for name in folders if folders.count(name) > 1}):
            raise ValueError(f"rows are named {', '.join(twice)} more than once")


@dataclass(frozen=True)
class Row:
    """One row, ready to be trained.

    Attributes:
        name: name in the table.
        stages: training runs, each of which starts from the weights of the one before it.
    """

    name: str
    stages: tuple[TrainingConfig, ...]


@dataclass(frozen=True)
class Ablation:
    """The rows trained so far.

    Attributes:
        budget: description of the training of each network.
        folder: folder of the pairs they were evaluated on.
        figures: one score for each row and preset; the method is the row's name.
    """

    budget: str
    folder: str
    figures: AccuracyReport

    def to_markdown(self) -> str:
        """The table with its budget, for a model card."""
        lines = [f"{self.budget}.", "", f"{report.summary(self.figures, self.folder)}.", ""]
        lines += [*report.markdown(report.score_table(self.figures)), "", f"{report.LEGEND}."]
        return "\n".join(lines) + "\n"

    def record(self) -> dict[str, Any]:
        """The ablation as a JSON object."""
        return {**asdict(self), "figures": _record(self.figures)}


def plan(path: Path, out: Path) -> tuple[TrainingConfig, list[Row]]:
    """The training configuration that the rows of an ablation file change, and the rows.

    Raises:
        DistillMatchError: a file cannot be read, a change does not fit, or a row needs a missing file.
    """
    ablation = AblationConfig.load(path)
    TrainingConfig.load(ablation.training)  # whose errors name this file
    training: dict[str, Any] = read_yaml(ablation.training, "")
    remedy = f"change it, or {ablation.training}"

    def changed(source: str, output: Path, *changes: dict[str, Any]) -> TrainingConfig:
        # Text names another model's file, a mapping changes keys of the model.
        model, keys = training["model"], dict[str, Any]()
        for given in (change["model"] for change in changes if "model" in change):
            model, keys = (model, {**keys, **given}) if isinstance(given, dict) else (given, {})
        values = training
        for change in changes:
            values = _merged(values, change)
        values = {**values, "model": model}
        run = configuration.build(TrainingConfig, values, source, remedy, ablation.training.parent)
        architecture = configuration.build(ModelConfig, {**run.model.to_dict(), **keys}, source, remedy)
        run = replace(run, model=architecture, output=output)
        if lacking := [file for file in _files(run) if not file.exists()]:
            raise DistillMatchError(f"{source}: {lacking[0]} does not exist; {remedy}")
        return run

    def stages(row: RowConfig) -> Iterator[TrainingConfig]:
        source, output = f"{path}: row {row.name!r}", out / _folder(row.name)
        if row.before is not None:
            yield changed(source, output / "before", ablation.changes, row.before)
        yield changed(source, output, ablation.changes, row.changes)

    common = changed(str(path), out, ablation.changes)
    return common, [Row(row.name, tuple(stages(row))) for row in ablation.rows]


def ablate(path: Path, out: Path, console: Console | None = None) -> Ablation:
    """Train and evaluate every row; an interrupted row is continued, a finished one is kept.

    All rows start from scratch or from the weights they share with their ``start``, which favours the rows
    most similar to it. After each row ``ablation.md`` and ``ablation.json`` in ``out`` are updated.

    Args:
        path: ablation file, see `AblationConfig`.
        out: folder of the rows and the tables.
        console: where progress is shown.

    Raises:
        DistillMatchError: there are no validation pairs, or ``out`` holds rows of another configuration.
    """
    console = console or Console()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise DistillMatchError("an ablation runs in one process; start it without torchrun")
    config, rows = plan(path, out)
    if config.validation is None:
        raise DistillMatchError(f"{path}: its training names no pairs to evaluate on; set validation")
    pairs = read_folder(config.validation)
    ablation = Ablation(
        budget=f"`{config.model.name}` from {config.start.name if config.start else 'scratch'}, "
        f"{config.steps} steps of {config.batch} pairs, "
        f"views of {config.view[1]}x{config.view[0]}, seed {config.seed}",
        folder=str(config.validation),
        figures=AccuracyReport(len(pairs), warps=WARPS, seed=0, scores=(), trials=(), unreadable=()),
    )
    # Cached for all rows: the photos are translated only once.
    photos = lru_cache(maxsize=1)(open_photos)
    for row in rows:
        console.print(f"{row.name}: {row.stages[-1].output}")
        figures = _joined(ablation.figures, _measured(row, pairs, photos, console))
        ablation = replace(ablation, figures=figures)
        write_text(out / "ablation.md", ablation.to_markdown())
        write_json(out / "ablation.json", ablation.record())
    return ablation


def _measured(row: Row, pairs: list[PairPaths], photos: OpenPhotos, console: Console) -> AccuracyReport:
    """Train a row and score it on the validation pairs, unless that is done already."""
    folder = row.stages[-1].output
    path = folder / "row.json"
    # Independent of where the rows are kept.
    located = [asdict(replace(stage, output=stage.output.relative_to(folder.parent))) for stage in row.stages]
    settings = json.loads(json.dumps(located, default=str))
    known = _read(path) if path.exists() else {"settings": settings, "figures": None}
    if known["settings"] != settings:
        raise DistillMatchError(
            f"{path}: was begun with another {', '.join(_differences(settings, known['settings']))}; "
            f"name another --out, or delete {folder}"
        )
    if known.get("figures") is not None and is_whole(folder / WEIGHTS, row.stages[-1].steps):
        return _report(known["figures"])
    write_json(path, known)
    start = row.stages[0].start
    for stage in row.stages:
        Trainer(replace(stage, validation=None, start=start), console, photos).run()
        start = stage.output / WEIGHTS
    assert start is not None
    with Registrar(TorchEngine(Weights.load(start).network())) as registrar:
        # Only the scores are kept: trials are many, and no decision is taken by one.
        figures = replace(compare({row.name: registrar.register}, pairs, warps=WARPS), trials=())
    write_json(path, {"settings": settings, "figures": _record(figures)})
    return figures


def _differences(stages: list[dict[str, Any]], known: list[dict[str, Any]]) -> list[str]:
    """Names of the settings that differ."""
    if len(stages) != len(known):
        return ["before"]
    pairs = zip(stages, known, strict=True)
    return sorted({key for stage, other in pairs for key in differences(stage, other)})


def _folder(name: str) -> str:
    return name.replace(" ", "-")


def _merged(value: Any, change: Any) -> Any:
    """A value with its change: a mapping is merged into the mapping that it changes, all else replaces it."""
    if not (isinstance(value, dict) and isinstance(change, dict)):
        return change
    return {**value, **{key: _merged(value.get(key), part) for key, part in change.items()}}


def _files(config: TrainingConfig) -> Iterator[Path]:
    """Files and folders that a training run reads."""
    yield from (path for path in (config.start, config.pretrained) if path is not None)
    yield from (source.folder for source in config.sources)
    if config.augmentation is not None:
        yield config.augmentation.v2i


def _joined(first: AccuracyReport, second: AccuracyReport) -> AccuracyReport:
    """Combine the scores of two reports on the same pairs, by preset."""
    scores = sorted(
        (*first.scores, *second.scores),
        key=lambda score: [preset.name for preset in PRESETS].index(score.preset),
    )
    return replace(second, scores=tuple(scores))


def _record(figures: AccuracyReport) -> dict[str, Any]:
    return {**asdict(figures), "scores": [report.finite_record(score) for score in figures.scores]}


def _report(values: dict[str, Any]) -> AccuracyReport:
    """Restore a report from the JSON object of `_record`."""
    scores: list[dict[str, Any]] = [
        {key: math.inf if value is None else value for key, value in score.items()}
        for score in values["scores"]
    ]
    parts: dict[str, Any] = {
        "scores": tuple(Score(**score) for score in scores),
        "trials": (),
        "unreadable": tuple(Unreadable(**pair) for pair in values["unreadable"]),
    }
    return AccuracyReport(**{**values, **parts})


def _read(path: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        if not isinstance(known, dict) or not isinstance(known.get("settings"), list):
            raise ValueError("no settings of a row")
    except (OSError, ValueError) as error:
        raise DistillMatchError(f"{path}: cannot be read ({error}); delete {path.parent}") from error
    return known
