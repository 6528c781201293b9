"""All commands in the order of ``--help``; each sibling module holds the commands of one topic."""

from collections.abc import Callable

from distillmatch_ros.cli import (
    align,
    bags,
    calibrate,
    engines,
    gan,
    hostile,
    images,
    inspection,
    match,
    node,
    probability,
    reports,
    streams,
    training,
)
from distillmatch_ros.cli.options import with_groups
from distillmatch_ros.cli.program import app

__all__ = ["app"]

# In the order of --help: the most used commands first.
_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Register": {
        "match": match.match,
        "bag": bags.bag,
        "calibrate": calibrate.calibrate,
        "align": align.align,
    },
    "View": {
        "inspect": inspection.inspect,
        "report": reports.report,
        "fleet": reports.fleet,
        "demo": streams.demo,
    },
    "Measure": {
        "evaluate": images.evaluate,
        "evaluate-streams": hostile.evaluate_streams,
        "evaluate-impossible": hostile.evaluate_impossible,
        "benchmark": images.benchmark,
        "benchmark-node": node.benchmark_node,
        "fit-probability": probability.fit_probability,
    },
    "Train": {
        "train": training.train,
        "ablate": training.ablate,
        "train-gan": gan.train_gan,
        "translate": gan.translate,
        "evaluate-gan": gan.evaluate_gan,
    },
    "Deploy": {
        "export": training.export,
        "build-engine": engines.build,
        "verify": engines.verify_backends,
        "doctor": inspection.doctor,
    },
}
for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(with_groups(_command))
