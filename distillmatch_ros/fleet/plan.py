"""Planning of a fleet: its bags, the settings of the run, and the paths of all outputs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from glob import has_magic
from hashlib import sha256
from os.path import normpath, realpath
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from distillmatch_ros.bags.joining import NamedBag, contents, join_cameras, parts_of
from distillmatch_ros.bags.storage.folder import FORMATS, VIDEOS, without_format
from distillmatch_ros.bags.writing import check_bag
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.places import (
    Version,
    existing,
    is_url,
    joined,
    matching,
    shown,
    version,
)
from distillmatch_ros.stream.assembly import calibration_path, model_path
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.temporal import Mode

LIST = ".txt"
"""Suffix of a text file that lists inputs, one per line."""
OF_THE_MACHINE = ("threads", "model", "calibration_file")
"""Parameters that are not part of the settings' hash: files are hashed by their contents."""
OPENED = 100
"""Greatest number of bags that are opened to see whether they hold one camera each."""
ASKED_AT_ONCE = 32
"""Concurrent requests to a store."""


@dataclass(frozen=True)
class Unit:
    """One bag, the unit of work of a worker.

    Attributes:
        name: relative name of its outputs without suffix; with folders if a pattern matched several.
        sources: paths or URLs of the bag's parts: one, unless files or bags of cameras belong together.
        target: path or URL of the MCAP file to write.
        folder: path or URL of the folder of all outputs, with the manifest; None for a single file.
        table: path or URL of the Parquet file of its pairs; None for none.
        rerun: path of the recording for Rerun's viewer; None for none.
        version: version of the bag; None if it does not exist.
        overwrite: replace existing outputs.
    """

    name: str
    sources: tuple[str, ...]
    target: str
    folder: str | None = None
    table: str | None = None
    rerun: str | None = None
    version: Version | None = None
    overwrite: bool = False

    @property
    def source(self) -> str:
        """The sources in one line."""
        return " + ".join(self.sources)


@dataclass(frozen=True)
class Order:
    """Settings of a run: the parameters of the node, and topics and outputs as in `BagJob`."""

    parameters: Parameters
    topics: Mapping[Sensor, str]
    outputs: tuple[str, ...]

    @cached_property
    def settings(self) -> str:
        """Hash of all settings that affect results; the network is not included.

        Raises:
            DistillMatchError: the calibration of mode fixed cannot be read.
        """
        values = {key: value for key, value in self.parameters.flat().items() if key not in OF_THE_MACHINE}
        fixed = self.parameters.stream.mode is Mode.FIXED
        calibration = _hash(calibration_path(self.parameters)) if fixed else None
        identity = [values, sorted(self.topics.items()), self.outputs, calibration]
        return sha256(json.dumps(identity, default=str).encode()).hexdigest()

    @cached_property
    def model(self) -> str:
        """Hash of the network file.

        Raises:
            DistillMatchError: the file does not exist.
        """
        return _hash(model_path(self.parameters))

    def check(self) -> None:
        """Read the files that the run needs, before anything is written.

        Raises:
            DistillMatchError: the network or the calibration cannot be read.
        """
        _ = self.settings, self.model


def plan(
    inputs: Sequence[str],
    out: str,
    table: str | None = None,
    rgb: str | None = None,
    thermal: str | None = None,
    *,
    opening: bool = True,
) -> list[Unit]:
    """Find the bags and choose the names of their outputs.

    Args:
        inputs: paths and URLs of bags, folders of bags, patterns, and text files (``.txt``) that list these,
            one per line. Local bags of one camera each are joined; see `join_cameras`.
        out: ``NAME.mcap`` for one bag; else a folder.
        table: folder of the Parquet files; None for none.
        rgb: image topic of the visible camera; guessed if None.
        thermal: image topic of the thermal camera, likewise.
        opening: whether more than two bags may be opened here to join those of one camera; not if workers
            register them, since a bag may be too large for a process.

    Raises:
        DistillMatchError: nothing matches a pattern, several bags would go to one file, ``out`` is of a kind
            that is not written, or an output is also an input.
    """
    bags = [(shown(name), sources) for given in inputs for name, sources in _expand(given)]
    few = len(bags) == 2 or (opening and 2 < len(bags) <= OPENED)
    if few and not any(is_url(each) for _, sources in bags for each in sources):
        bags = join_cameras(bags, rgb, thermal)
    single = PurePosixPath(out).suffix == ".mcap"
    if not single and PurePosixPath(out).suffix in (*FORMATS, *VIDEOS):
        raise DistillMatchError(
            f"{out}: the output is an MCAP file or a folder and comes last; name {Path(out).stem}.mcap, or a "
            "folder"
        )
    if single and len(bags) > 1:
        local = not any(is_url(each) for _, sources in bags for each in sources)
        raise DistillMatchError(
            f"{out}: one file cannot hold what {len(bags)} bags give; name a folder",
            *(contents(sources) for _, sources in bags if local and len(bags) == 2),  # one of each camera?
        )
    if len({name for name, _ in bags}) < len(bags):
        raise DistillMatchError(
            f"{out}: two of the bags have the same name; take them one at a time, or quote a pattern such as "
            "'drives/*/drive.mcap': outputs then keep its folders"
        )
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        versions = list(threads.map(_version, (sources for _, sources in bags)))
    units = [
        Unit(
            name,
            sources,
            out if single else joined(out, f"{name}.mcap"),
            None if single else out,
            None if table is None else joined(table, table_file(name)),
            version=known,
        )
        for (name, sources), known in zip(bags, versions, strict=True)
    ]
    read = {_resolved(each) for unit in units for each in unit.sources}
    for unit in units:
        target = _resolved(unit.target)
        # A target inside a bag that is a folder would replace, or be read as, one of its files.
        if not read.isdisjoint([target, *map(str, Path(target).parents)]):
            raise DistillMatchError(
                f"{shown(unit.target)}: is one of the bags to read, or lies in one; name another output"
            )
    return units


def check_outputs(units: Iterable[Unit], out: str) -> None:
    """Check that the outputs can be written without replacing files by accident.

    Raises:
        DistillMatchError: one exists, or see `check_bag`.
    """
    there = existing(out) if is_url(out) else set()
    for unit in units:
        if not is_url(unit.target):
            check_bag(Path(unit.target), unit.overwrite)
        elif f"{unit.name}.mcap" in there and not unit.overwrite:
            raise DistillMatchError(
                f"{shown(unit.target)}: exists already; pass --overwrite to replace it, or name another place"
            )


def table_file(name: str) -> str:
    """Relative path of a bag's file in a table; readers take the column ``bag`` from the folder's name."""
    return f"bag={quote(name, safe=' ')}/pairs.parquet"


def _expand(given: str) -> Iterator[NamedBag]:
    """The bags that an input refers to."""
    if not is_url(given) and given.endswith(LIST):
        for line in _lines(Path(given)):
            yield from _expand(line if is_url(line) else str(Path(given).parent / line))
    elif has_magic(given) and (is_url(given) or not Path(given).exists()):
        found = matching(given)
        if not found:
            raise DistillMatchError(f"{shown(given)}: matches no bag; check the pattern")
        before = given[: min(given.index(sign) for sign in "*?[" if sign in given)]
        fixed = "".join(before.rpartition("/")[:2])
        for each in found:
            yield from _recordings(each, _inside(each.removeprefix(fixed)))
    else:
        place = (
            given if is_url(given) else normpath(Path(given).absolute())
        )  # `.` and `..` have no name of their own
        yield from _recordings(given, _inside(PurePosixPath(place).name))


def _recordings(place: str, name: str) -> Iterator[NamedBag]:
    """The recordings at a place: several for a local folder of them, whose names begin with the folder's."""
    found = [] if is_url(place) else parts_of(Path(place))
    if found in ([], [(Path(place),)]):
        yield name, (place,)
        return
    for parts in found:
        yield _inside(f"{name}/{parts[0].name}"), tuple(map(str, parts))


def _inside(relative: str) -> str:
    """The name of what is at a relative place: whatever it is made of, outputs stay in their folder."""
    return without_format(normpath(f"/./{relative}").lstrip("/"))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DistillMatchError(f"{path}: cannot be read ({error}); name a text file of bags") from error
    return [line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#")]


def _version(sources: Sequence[str]) -> Version | None:
    with suppress(DistillMatchError):  # registering the bag reports the error
        versions = [version(each) for each in sources]
        return Version(sum(each.size for each in versions), "+".join(each.stamp for each in versions))
    return None


def _resolved(place: str) -> str:
    return place if is_url(place) else realpath(place)


def _hash(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DistillMatchError(f"{path}: cannot be read ({error.strerror}); check the path") from error
