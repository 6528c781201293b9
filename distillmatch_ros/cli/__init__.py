"""``distillmatch ...``: parses and calls. Each module holds the commands of one kind."""

from distillmatch_ros.cli import engines, generation, images, node, streams, training
from distillmatch_ros.cli.program import app

__all__ = ["app", "engines", "generation", "images", "main", "node", "streams", "training"]


def main() -> None:
    """Entry point of the ``distillmatch`` program."""
    app()
