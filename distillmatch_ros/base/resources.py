"""Lookup of the files that ship with the package, for every kind of installation."""

from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError


def locate(relative: str) -> str:
    """Path of a shipped file for use in a message, or its relative name if this installation lacks it."""
    try:
        return str(find(relative))
    except DistillMatchError:
        return relative


def find(relative: str) -> Path:
    """Find a shipped file, such as ``models/light.onnx`` or ``config/fusion.yaml``.

    In a checkout the files are beside the package; pip and colcon install them under
    ``share/distillmatch_ros`` of the installation prefix.

    Raises:
        DistillMatchError: this installation does not hold the file.
    """
    package = Path(__file__).resolve().parents[1]
    places = [package.parent, *(prefix / "share" / "distillmatch_ros" for prefix in package.parents)]
    for place in places:
        if (place / relative).exists():
            return place / relative
    raise DistillMatchError(
        f"{relative}: not part of this installation (the package is in {package}); "
        "install the package again, or pass the file's path yourself"
    )
