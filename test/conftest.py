"""Fixtures that more than one test module needs, and how the tests are named."""

import gc
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from support.tiny_network import WriteNetwork, write_tiny

from distillmatch_ros.demo.drive import record_drive
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.scene import Room, Scene, SyntheticPair, render_pair

# How long a machine takes is no fault of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

LONGEST_ID = 60
PLAIN = (str, int, float, bool, type(None))


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test: background jobs ignore it by inheritance."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that may last longest come first: no process is left with one when the others are done."""

    def seconds(item: pytest.Item) -> float:
        mark = item.get_closest_marker("timeout")
        return mark.args[0] if mark else 0.0

    items.sort(key=seconds, reverse=True)


def pytest_collection_finish() -> None:
    """What is imported stays: to look for garbage among it takes a third of a second each time."""
    gc.freeze()


def pytest_make_parametrize_id(val: Any, argname: str) -> str | None:
    """Name a case by its values where they are short, else by its argument; never by an address."""
    if isinstance(val, list | tuple) and all(isinstance(item, PLAIN) for item in val):
        shown = " ".join(map(str, val)) or "nothing"
    elif isinstance(val, dict) and all(isinstance(item, PLAIN) for pair in val.items() for item in pair):
        shown = " ".join(f"{key}={value}" for key, value in val.items()) or "nothing"
    elif isinstance(val, str | bytes):
        shown = val if isinstance(val, str) else repr(val)[2:-1]
    elif getattr(val, "__name__", "") != "<lambda>":
        return None  # as pytest names it
    else:
        return argname
    return shown if shown.isprintable() and len(shown) <= LONGEST_ID else argname


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines that tests compile stay out of the user's cache; processes that they start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def write_network(tmp_path: Path) -> WriteNetwork:
    """Writes a real ONNX network; keywords change its metadata, None leaves a key out."""

    def write(graph: onnx.GraphProto | None = None, **changes: str | None) -> Path:
        return write_tiny(tmp_path / "tiny.onnx", graph, **changes)

    return write


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    """Every block, as small as it goes."""
    return ModelConfig(
        name="tiny",
        height=64,
        width=96,
        max_matches=16,
        texture_widths=(8, 16, 32),
        texture_blocks=(1, 1, 1),
        semantic_width=32,
        semantic_depth=1,
        modality_depth=1,
        coarse_layers=1,
        heads=2,
        token_stride=2,
        fine_widths=(16, 8),
        temperature=0.1,
        coarse_threshold=0.0,
        fine_threshold=0.0,
        border=1,
    )


Made = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Names a file, and makes it where none of the processes that share the tests has done so."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def path(name: str, make: Callable[[Path], object]) -> Path:
        file = folder / name
        with FileLock(f"{file}.lock"):
            if not file.exists():
                make(file)
        return file

    return path


def rendered(made: Made, name: str, render: Callable[[], SyntheticPair]) -> SyntheticPair:
    file = made(f"{name}.pickle", lambda file: file.write_bytes(pickle.dumps(render())))
    pair: SyntheticPair = pickle.loads(file.read_bytes())
    return pair


@pytest.fixture(scope="session")
def day(made: Made) -> SyntheticPair:
    return rendered(made, "day", lambda: render_pair(1))


@pytest.fixture(scope="session")
def night(made: Made) -> SyntheticPair:
    return rendered(made, "night", lambda: render_pair(1, night=True))


@pytest.fixture(scope="session")
def room(made: Made) -> SyntheticPair:
    return rendered(made, "room", lambda: Room(2).render(1.5))


@pytest.fixture(scope="session")
def near_street(made: Made) -> SyntheticPair:
    """The street through lenses that bend lines, the cameras 8 cm apart."""
    return rendered(made, "near_street", lambda: Scene(1, baseline=0.08, k1=-0.2).render())


@pytest.fixture(scope="session")
def street_drive(made: Made) -> Path:
    """A bag of eleven pairs of the synthetic street: a calibration takes ten."""
    return made("street.mcap", lambda file: record_drive(file, frames=11))
