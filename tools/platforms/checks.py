"""What is tried on each platform: what a user does first, then the tests."""

import json
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np

from distillmatch_ros.demo.drive import RGB, THERMAL
from distillmatch_ros.geometry.homography import corner_error
from tools.platforms.debian import UnavailableError, emulated, unpack
from tools.platforms.environments import Environment
from tools.platforms.material import Material
from tools.platforms.places import Done, Place, find_python

PYTHON = "venv/bin/python"
PROGRAM = (PYTHON, "-m", "distillmatch_ros.cli")
PIP_INSTALL = ("pip", "install")
TOPICS = ("--rgb", RGB, "--thermal", THERMAL)
COMMANDS = {
    "match": ("match", "visible.png", "thermal.png", "--json", "-"),
    "bag": ("bag", "drive.mcap", "registered.mcap", *TOPICS),
    "calibrate": ("calibrate", "drive.mcap", *TOPICS, "--out", "rig.yaml"),
    "report": ("report", "registered.mcap", "--out", "report.html"),
    "doctor": ("doctor", "--json", "-"),
    "node": ("benchmark-node", "--minutes", "0.1", "--json", "-"),
}
"""What the program is asked for, by the name of the check."""
TESTS = ("pytest", "-q", "-m", "not slow")
TEST_NEEDS = ("pytest<9", "pytest-timeout", "hypothesis", "jsonschema", "onnx")
SHOWN = ("onnxruntime", "numpy", "opencv-python-headless", "rosbags", "ros-rclpy")
"""Packages whose versions are kept."""
LONG_S = 3600.0
"""Time for an installation and for tests, on a machine with other work."""
PATIENCE = 15
"""How many times longer an emulated processor may take."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: of the check.
        state: whether it went right.
        found: what came of it, or why it failed.
        seconds: how long it took.
    """

    name: str
    state: Literal["ok", "failed"]
    found: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of a platform.

    Attributes:
        environment: its name.
        platform: system and processor.
        date: day on which it was tried.
        emulated: whether its processor was.
        versions: of Python and the packages in `SHOWN`.
        checks: what was tried, in order; nothing follows an installation that fails.
        skipped: why nothing was tried, else None.
        homography: thermal to visible pixels, as `match` found it.
    """

    environment: str
    platform: str
    date: str
    emulated: bool
    versions: dict[str, str]
    checks: tuple[Check, ...]
    skipped: str | None = None
    homography: list[list[float]] | None = None


def try_out(environment: Environment, material: Material, out: Path, reference: np.ndarray | None) -> Outcome:
    """Try a platform, with a log of each command in ``out``.

    Args:
        environment: the platform.
        material: what it gets.
        out: folder for the log, and for what is unpacked.
        reference: homography of the first platform, to compare with.
    """
    today = datetime.now(timezone.utc).date().isoformat()
    named = f"{environment.release}, {environment.machine}"
    try:
        with emulated(environment.machine, out):
            place, python, foreign = _prepare(environment, out)
            shutil.copytree(material.folder, place.folder, dirs_exist_ok=True)
            named = f"{_release(place)}, {environment.machine}"
            with (out / f"{environment.name}.log").open("w", buffering=1) as log:
                run = Logged(place, log.write, PATIENCE if foreign else 1)
                visit = Visit(environment, material, run, python, reference)
                checks = tuple(visit.checks())
                versions = visit.versions()
    except UnavailableError as reason:
        return Outcome(environment.name, named, today, False, {}, (), skipped=str(reason))
    return Outcome(environment.name, named, today, foreign, versions, checks, homography=visit.homography)


def _prepare(environment: Environment, out: Path) -> tuple[Place, str, bool]:
    """A folder to work in, the interpreter there, and whether the processor is emulated.

    Raises:
        UnavailableError: this machine lacks it.
    """
    if environment.debian is not None:
        place = unpack(environment.debian, environment.machine, out)
        return place, "python3", environment.machine != platform.machine()
    if environment.machine != platform.machine():
        raise UnavailableError(f"this machine is no {environment.machine}")
    python = find_python(environment.python)
    if python is None:
        raise UnavailableError(f"no Python {environment.python} on PATH, nor of pyenv")
    folder = out / environment.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Place(folder), python, False


def _release(place: Place) -> str:
    """Name of a system, as it calls itself."""
    said = place.run("sh", "-c", '. /etc/os-release && echo "${PRETTY_NAME}"')
    return re.sub(r"GNU/Linux | \(.*\)", "", said.stdout.strip()) or "Linux"


@dataclass(frozen=True)
class Logged:
    """Runs commands in a place and keeps what they say."""

    place: Place
    log: Callable[[str], object]
    patience: float

    def __call__(self, *command: str, seconds: float = 900) -> Done:
        done = self.place.run(*command, seconds=seconds * self.patience)
        self.log(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}[{done.code}, {done.seconds:.0f} s]\n\n")
        return done


class Visit:
    """Tries one platform from the installation on."""

    def __init__(
        self,
        environment: Environment,
        material: Material,
        run: Logged,
        python: str,
        reference: np.ndarray | None,
    ) -> None:
        self.homography: list[list[float]] | None = None
        self._environment, self._material, self._run = environment, material, run
        self._python, self._reference = python, reference

    def checks(self) -> Iterator[Check]:
        """Each check as it is made; none after an installation that failed."""
        installed = self._install()
        yield installed
        if installed.state == "failed":
            return
        yield self._match()
        for name in ("bag", "calibrate", "report"):
            done = self._ask(name)
            yield _failed(name, done) if done.code else Check(name, "ok", "ok", done.seconds)
        yield self._doctor()
        yield self._tests()
        if self._environment.ros is not None:
            yield self._node()

    def versions(self) -> dict[str, str]:
        listed = self._run(PYTHON, "-m", "pip", "list", "--format", "json")
        if listed.code:
            return {}
        found = {
            each["name"].lower().replace("_", "-"): each["version"] for each in json.loads(listed.stdout)
        }
        python = self._run(PYTHON, "-c", "import platform; print(platform.python_version())").stdout.strip()
        return {"Python": python, **{name: found[name] for name in SHOWN if name in found}}

    def _install(self) -> Check:
        made = self._run(self._python, "-m", "venv", "venv")
        if made.code:
            return _failed("install", made)
        wheel = requirement(self._material.wheel, self._environment.ros)
        done = self._run(PYTHON, "-m", *PIP_INSTALL, "--quiet", wheel, seconds=LONG_S)
        if done.code:
            return _failed("install", done)
        return Check("install", "ok", "ok", done.seconds)

    def _match(self) -> Check:
        done = self._ask("match")
        if done.code:
            return _failed("match", done)
        record = json.loads(done.stdout)
        self.homography = record["homography"]
        if self.homography is None:
            return Check("match", "failed", record["status"], done.seconds)
        found = np.array(self.homography)
        text = f"{self._material.error_px(found):.2f} px off"
        if self._reference is not None:
            apart = corner_error(found, self._reference, self._material.thermal, self._material.visible)
            text += f", {apart:.4f} from the first"
        return Check("match", "ok", text, done.seconds)

    def _ask(self, name: str) -> Done:
        return self._run(*PROGRAM, *COMMANDS[name])

    def _doctor(self) -> Check:
        done = self._ask("doctor")
        try:
            findings = json.loads(done.stdout)["findings"]
        except ValueError:
            return _failed("doctor", done)
        faults = [f"{each['about']}: {each['value']}" for each in findings if each["state"] == "fault"]
        return Check("doctor", "failed" if faults else "ok", "; ".join(faults) or "no fault", done.seconds)

    def _tests(self) -> Check:
        needs = self._run(PYTHON, "-m", *PIP_INSTALL, "--quiet", *TEST_NEEDS)
        if needs.code:
            return _failed("tests", needs)
        rooms = [f"test/{room}" for room in self._environment.rooms]
        options = ("-m", *TESTS, "-p", "no:cacheprovider")
        script = f'cd checkout && exec ../{PYTHON} "$@"'
        done = self._run("sh", "-c", script, "sh", *options, *rooms, seconds=LONG_S)
        last = done.stdout.strip().rpartition("\n")[2]
        counted = re.findall(r"(\d+) (passed|failed|errors?|skipped)\b", last)
        text = ", ".join(f"{number} {word}" for number, word in counted) or done.last
        for name in re.findall(r"^(?:FAILED|ERROR) test/(\S+)", done.stdout, re.MULTILINE):
            text += f"; {name}"
        return Check("tests", "failed" if done.code else "ok", text, done.seconds)

    def _node(self) -> Check:
        done = self._ask("node")
        if done.code:
            return _failed("node", done)
        (measured,) = json.loads(done.stdout)
        pairs = ", ".join(f"{number} {status}" for status, number in measured["statuses"].items())
        return Check("node", "ok" if pairs else "failed", pairs or "no pair", done.seconds)


def requirement(wheel: str, extra: str | None) -> str:
    """What pip is to install: the path of a wheel beside, since its name is no requirement with extras."""
    return f"./{wheel}" + (f"[{extra}]" if extra else "")


def _failed(name: str, done: Done) -> Check:
    return Check(name, "failed", done.last, done.seconds)
