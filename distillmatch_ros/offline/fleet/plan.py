"""Which bags a fleet consists of, what is done with each, and where its outputs go."""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from glob import has_magic
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.offline.bag.storage.folder import FORMATS
from distillmatch_ros.offline.bag.writing import check_bag
from distillmatch_ros.offline.fleet.places import (
    Version,
    beside,
    existing,
    is_url,
    matching,
    redacted,
    version,
)
from distillmatch_ros.stream.assembly import calibration_path, model_path
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.temporal import Mode

LIST = ".txt"
"""Suffix of a text file that names inputs, one a line."""
OF_THE_MACHINE = ("threads", "model", "calibration_file")
"""Parameters that say how, or by which file, and are no part of the settings; files go by what they hold."""
ASKED_AT_ONCE = 32
"""Questions to a store that are under way at a time."""


@dataclass(frozen=True)
class Unit:
    """One bag, which one worker registers at a time.

    Attributes:
        name: of its outputs, without suffix; of several parts where a pattern matched several folders.
        source: path or URL of the bag.
        target: path or URL of the MCAP file to write.
        table: path or URL of the Parquet file of its pairs; None for none.
        version: of the bag; None where nothing is there.
        overwrite: replace the outputs where they exist.
    """

    name: str
    source: str
    target: str
    table: str | None = None
    version: Version | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Order:
    """What is done with each bag: the parameters are the node's, the others see `BagJob`."""

    parameters: Parameters
    rgb: str | None
    thermal: str | None
    outputs: tuple[str, ...]

    @cached_property
    def settings(self) -> str:
        """Hash of all that decides about results, but for the bag and the network.

        Raises:
            DistillMatchError: the calibration of mode fixed cannot be read.
        """
        values = {key: value for key, value in self.parameters.flat().items() if key not in OF_THE_MACHINE}
        fixed = self.parameters.stream.mode is Mode.FIXED
        calibration = _hash(calibration_path(self.parameters)) if fixed else None
        told = [values, self.rgb, self.thermal, self.outputs, calibration]
        return sha256(json.dumps(told, default=str).encode()).hexdigest()

    @cached_property
    def model(self) -> str:
        """Hash of the network's file.

        Raises:
            DistillMatchError: there is no such file.
        """
        return _hash(model_path(self.parameters))


def plan(inputs: Sequence[str], out: str, table: str | None = None) -> list[Unit]:
    """Find the bags, and name their outputs.

    Args:
        inputs: paths and URLs of bags, patterns, and text files (``.txt``) of such, a line each.
        out: ``NAME.mcap`` for one bag; else a folder.
        table: folder of the Parquet files; None for none.

    Raises:
        DistillMatchError: nothing matches a pattern, several bags would go to one file, ``out`` is of a kind
            that is not written, or an output is also an input.
    """
    bags = [found for given in inputs for found in _expand(given)]
    single = PurePosixPath(out).suffix == ".mcap"
    if not single and PurePosixPath(out).suffix in FORMATS:
        raise DistillMatchError(
            f"{out}: the output is an MCAP file or a folder and comes last; name {Path(out).stem}.mcap, or a "
            "folder"
        )
    if single and len(bags) > 1:
        raise DistillMatchError(f"{out}: one file cannot hold what {len(bags)} bags give; name a folder")
    if len({name for name, _ in bags}) < len(bags):
        raise DistillMatchError(
            f"{out}: two of the bags have the same name; take them one at a time, or quote a pattern such as "
            "'drives/*/drive.mcap': outputs then keep its folders"
        )
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        versions = list(threads.map(_version, (source for _, source in bags)))
    units = [
        Unit(
            name,
            source,
            out if single else beside(out, f"{name}.mcap"),
            None if table is None else beside(table, table_file(name)),
            known,
        )
        for (name, source), known in zip(bags, versions, strict=True)
    ]
    read = {_resolved(unit.source) for unit in units}
    for unit in units:
        if _resolved(unit.target) in read:
            raise DistillMatchError(
                f"{redacted(unit.target)}: is one of the bags to read; name another output"
            )
    return units


def check_outputs(units: Iterable[Unit], out: str) -> None:
    """See that the outputs can be written, and that nothing is lost by it.

    Raises:
        DistillMatchError: one exists, or see `check_bag`.
    """
    there = existing(out) if is_url(out) else set()
    for unit in units:
        if not is_url(unit.target):
            check_bag(Path(unit.target), unit.overwrite)
        elif f"{unit.name}.mcap" in there and not unit.overwrite:
            raise DistillMatchError(
                f"{redacted(unit.target)}: exists already; pass --overwrite to replace it, or name another "
                "place"
            )


def table_file(name: str) -> str:
    """Where the pairs of a bag are in a table; the folder's name is read as the value of a column ``bag``."""
    return f"bag={quote(name, safe=' ')}/pairs.parquet"


def _expand(given: str) -> Iterator[tuple[str, str]]:
    """Names and places of the bags that an input stands for."""
    if not is_url(given) and given.endswith(LIST):
        for line in _lines(Path(given)):
            yield from _expand(line if is_url(line) else str(Path(given).parent / line))
    elif has_magic(given) and (is_url(given) or not Path(given).exists()):
        found = matching(given)
        if not found:
            raise DistillMatchError(f"{redacted(given)}: matches no bag; check the pattern")
        before = given[: min(given.index(sign) for sign in "*?[" if sign in given)]
        fixed = "".join(before.rpartition("/")[:2])
        yield from ((str(PurePosixPath(each.removeprefix(fixed)).with_suffix("")), each) for each in found)
    else:
        yield Path(given).stem, given


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DistillMatchError(f"{path}: cannot be read ({error}); name a text file of bags") from error
    return [line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#")]


def _version(place: str) -> Version | None:
    with suppress(DistillMatchError):  # whoever registers it says what is wrong with it
        return version(place)
    return None


def _resolved(place: str) -> str:
    return place if is_url(place) else str(Path(place).resolve())


def _hash(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DistillMatchError(f"{path}: cannot be read ({error.strerror}); check the path") from error
