"""``distillmatch ...``: parses and calls. Each module holds the commands of one kind."""

from distillmatch_ros.cli import images, training
from distillmatch_ros.cli.program import app

__all__ = ["app", "images", "main", "training"]


def main() -> None:
    """Entry point of the ``distillmatch`` program."""
    app()
