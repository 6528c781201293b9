"""Reads any kind of recording that a report supports."""

from pathlib import Path

from distillmatch_ros.bags.image_files import RECORDS
from distillmatch_ros.bags.storage.folder import FORMATS
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.reports.from_files import read_files
from distillmatch_ros.reports.recording import Recording


def read_recording(
    path: Path, source: Path | None = None, rgb: str | None = None, thermal: str | None = None
) -> Recording:
    """Read a recording of any supported kind.

    Args:
        path: a bag with the node's topics, a folder of ``match --out``, or JSON Lines of ``match --json``.
        source: a bag, or a folder of image files; see `read_bag` and `read_files`.
        rgb: topic of the visible images, for bags.
        thermal: topic of the thermal images, for bags.

    Raises:
        DistillMatchError: it cannot be read, or is of another kind.
    """
    if not path.exists():
        raise DistillMatchError(f"{path}: no such file or folder; check the path")
    if path.suffix in FORMATS or (path / "metadata.yaml").is_file():
        return read_bag(path, source, rgb, thermal)
    if path.is_dir() and any(each.suffix in FORMATS for each in path.iterdir()):
        raise DistillMatchError(
            f"{path}: holds bags that are not registered; run `distillmatch bag {path} OUT`, and report OUT"
        )
    if path.is_dir() and not (path / RECORDS).is_file():
        raise DistillMatchError(
            f"{path}: holds neither {RECORDS} of match --out nor a bag; pass what match or bag wrote"
        )
    return read_files(path, source)
