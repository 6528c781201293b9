"""Ablation: equally trained networks, each without one block (paper, ablation table)."""

import json
import math
import os
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_json, write_text
from distillmatch_ros.engines.torch import TorchEngine
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import Report, Score, Unreadable, compare
from distillmatch_ros.evaluation.warped import PRESETS
from distillmatch_ros.images.pairs import PairPaths, read_folder
from distillmatch_ros.model.config import Block
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.gan.translation import OpenPhotos, open_photos
from distillmatch_ros.training.trainer import Trainer

# Random homographies per pair and preset.
WARPS = 3


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: name in the table.
        config: training configuration, or None if there is nothing to leave out.
        lacking: what the configuration lacks in that case.
    """

    name: str
    config: TrainingConfig | None
    lacking: str


@dataclass(frozen=True)
class Ablation:
    """The rows trained so far, and those that are missing.

    Attributes:
        budget: description of the training of each network.
        folder: folder of the pairs they were evaluated on.
        figures: one score for each row and preset; the method is the row's name.
        missing: row name -> why it is missing.
    """

    budget: str
    folder: str
    figures: Report
    missing: dict[str, str]

    def to_markdown(self) -> str:
        """The table with its budget and the missing rows, for a model card."""
        lines = [f"{self.budget}.", "", f"{report.summary(self.figures, self.folder)}.", ""]
        lines += [*report.markdown_table(self.figures), "", f"{report.LEGEND}."]
        if self.missing:
            lines += ["", "Missing:", *(f"- {name}: {reason}" for name, reason in self.missing.items())]
        return "\n".join(lines) + "\n"

    def record(self) -> dict[str, Any]:
        """The ablation as a JSON object."""
        return {**asdict(self), "figures": _record(self.figures)}


def plan(config: TrainingConfig, steps: int, out: Path) -> list[Row]:
    """The rows of the paper's table; for a block that the model lacks, the row adds it.

    All rows train for ``steps`` with one seed, hence on the same views, and start from scratch or from the
    weights they share with the configuration's ``start``, which favours the rows most similar to it.
    """
    base = replace(config, steps=steps)

    def block_row(block: Block) -> Row:
        had = block not in base.model.without
        others = tuple(other for other in base.model.without if other != block)
        name = f"{'without' if had else 'with'} {block.upper()}"
        model = replace(
            base.model,
            name=f"{base.model.name}-{name.lower().replace(' ', '-')}",
            without=(*others, block) if had else others,
        )
        return Row(name, replace(base, model=model), "")

    rows = [
        Row("full", base, ""),
        block_row("caa"),
        block_row("saa"),
        Row(
            "without distillation",
            replace(base, distillation=None) if base.distillation else None,
            "the configuration names no teacher (distillation.teacher), full has none either",
        ),
        block_row("cefg"),
        Row(
            "without V2I-GAN",
            replace(base, augmentation=None) if base.augmentation else None,
            "the configuration names no V2I-GAN (augmentation.v2i), full has none either",
        ),
    ]
    return [
        replace(row, config=row.config and replace(row.config, output=out / row.name.replace(" ", "-")))
        for row in rows
    ]


def ablate(config_path: Path, steps: int, out: Path, console: Console | None = None) -> Ablation:
    """Train and evaluate every row; an interrupted row is continued, a finished one is kept.

    After each row ``ablation.md`` and ``ablation.json`` in ``out`` are updated.

    Raises:
        DistillMatchError: there are no validation pairs, or ``out`` holds rows of another configuration.
    """
    console = console or Console()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise DistillMatchError("an ablation runs in one process; start it without torchrun")
    config = TrainingConfig.load(config_path)
    if config.validation is None:
        raise DistillMatchError(f"{config_path}: names no pairs to evaluate on; set validation")
    pairs = read_folder(config.validation)
    rows = plan(config, steps, out)
    ablation = Ablation(
        budget=f"`{config.model.name}` from {config.start.name if config.start else 'scratch'}, "
        f"{steps} steps of {config.batch} pairs, "
        f"views of {config.view[1]}x{config.view[0]}, seed {config.seed}",
        folder=str(config.validation),
        figures=Report(len(pairs), warps=WARPS, seed=0, scores=(), trials=(), unreadable=()),
        missing={row.name: row.lacking for row in rows if row.config is None},
    )
    # Cached for all rows: the photos are translated only once.
    photos = lru_cache(maxsize=1)(open_photos)
    for row in rows:
        if row.config is None:
            console.print(f"{row.name}: missing, {row.lacking}")
            continue
        console.print(f"{row.name}: {row.config.output}")
        ablation = replace(
            ablation,
            figures=_joined(ablation.figures, _measured(row.name, row.config, pairs, photos, console)),
        )
        write_text(out / "ablation.md", ablation.to_markdown())
        write_json(out / "ablation.json", ablation.record())
    return ablation


def _measured(
    name: str, config: TrainingConfig, pairs: list[PairPaths], photos: OpenPhotos, console: Console
) -> Report:
    """Train a row and score it on the validation pairs, unless that is done already."""
    path = config.output / "row.json"
    settings = json.loads(json.dumps(asdict(replace(config, output=Path(name))), default=str))
    known = _read(path) if path.exists() else {"settings": settings, "figures": None}
    if known["settings"] != settings:
        changed = sorted(key for key in settings if settings[key] != known["settings"].get(key))
        raise DistillMatchError(
            f"{path}: was begun with another {', '.join(changed)}; name another --out, or delete "
            f"{config.output}"
        )
    if known["figures"] is not None:
        return _report(known["figures"])
    write_json(path, known)
    Trainer(replace(config, validation=None), console, photos).run()
    network = Weights.load(config.output / "weights.pt").network()
    with Registrar(TorchEngine(network)) as registrar:
        # Only the scores are kept: trials are many, and no decision is taken by one.
        figures = replace(compare({name: registrar.register}, pairs, warps=WARPS), trials=())
    write_json(path, {"settings": settings, "figures": _record(figures)})
    return figures


def _joined(first: Report, second: Report) -> Report:
    """Combine the scores of two reports on the same pairs, by preset."""
    scores = sorted(
        (*first.scores, *second.scores),
        key=lambda score: [preset.name for preset in PRESETS].index(score.preset),
    )
    return replace(second, scores=tuple(scores))


def _record(figures: Report) -> dict[str, Any]:
    return {**asdict(figures), "scores": [report.finite_record(score) for score in figures.scores]}


def _report(values: dict[str, Any]) -> Report:
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
    return Report(**{**values, **parts})


def _read(path: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DistillMatchError(f"{path}: cannot be read ({error}); delete {path.parent}") from error
    return known
