"""What pip and colcon are told agrees with what is in the checkout, and what they install is whole."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import venv
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import pytest
from packaging.requirements import Requirement
from support import ROOT

from distillmatch_ros import __version__
from distillmatch_ros.scene import SyntheticPair

tomllib = pytest.importorskip("tomllib", reason="in the standard library from Python 3.11 on")
setuptools = pytest.importorskip("setuptools")

SHARE = "share/distillmatch_ros"
SHIPPED = [
    path.relative_to(ROOT).as_posix()
    for folder in ("config", "launch", "models")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]
WHEEL_BYTES = 25_000_000
"""Greatest size of the wheel."""
LARGE = 100_000
"""Bytes above which a file is a network, or does not belong into a package."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keywords that setup.py passes to setuptools."""
    keywords: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **given: keywords.update(given))
    runpy.run_path("setup.py")
    return keywords


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def package() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed files alone, to build in: nothing of it is left in the checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    folder = tmp_path_factory.mktemp("source")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def distributed(copied: Path, made: Callable[..., Path]) -> list[Path]:
    """The wheel and the source distribution, as `python -m build` makes them."""
    pytest.importorskip("build")
    folder = made(
        "dist", lambda out: run("-m", "build", "--no-isolation", "--outdir", str(out), folder=copied)
    )
    return sorted(folder.iterdir())


def run(*command: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def link_requirements(environment: Path) -> None:
    """Link what the package in an environment requires into it, of the releases that are installed here."""
    (site,) = environment.glob("lib/python*/site-packages")
    (installed,) = metadata.distributions(name="distillmatch_ros", path=[str(site)])
    wanted, linked = [Requirement(line) for line in installed.requires or ()], set[str]()
    while wanted:
        requirement = wanted.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        release = metadata.distribution(requirement.name)
        assert release.version in requirement.specifier
        if release.name not in linked:
            linked.add(release.name)
            wanted += map(Requirement, release.requires or ())
            for name in {file.parts[0] for file in release.files or ()} - {"..", "__pycache__"}:
                if not (site / name).exists():  # parts of a namespace share a folder
                    (site / name).symlink_to(release.locate_file(name))


def test_pyproject_setup_and_package_xml_agree(
    told: dict[str, Any], project: dict[str, Any], package: ElementTree.Element
) -> None:
    assert package.findtext("name") == told["name"] == project["name"]
    assert package.findtext("version") == told["version"] == __version__
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert package.findtext("license") == told["license"]
    assert package.findtext("export/build_type") == "ament_python"
    # Older releases of setuptools, which colcon runs, reject these or write what colcon cannot read.
    assert set(project["dynamic"]) == {"version", "license", "requires-python", "scripts"}


def test_every_package_and_every_shipped_file_is_installed(told: dict[str, Any]) -> None:
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("distillmatch_ros/**/*.py")}
    assert set(told["packages"]) == {".".join(path.parts) for path in folders}
    installed = {f"{folder}/{Path(file).name}" for folder, files in told["data_files"] for file in files}
    assert installed >= {f"{SHARE}/{name}" for name in SHIPPED}
    assert installed >= {f"{SHARE}/package.xml", "share/ament_index/resource_index/packages/distillmatch_ros"}


def test_base_install_needs_no_torch(project: dict[str, Any]) -> None:
    assert not [name for name in project["dependencies"] if name.startswith("torch")]
    assert [name for name in project["optional-dependencies"]["train"] if name.startswith("torch")]


def test_a_robot_gets_nothing_to_look_at(package: ElementTree.Element) -> None:
    """A robot has no screen, and records with what it likes."""
    wanted = {element.text for element in package.findall("exec_depend")}
    assert not wanted & {"rviz2", "rosbag2", "ros2bag", "rqt"}


def test_what_rosdep_lacks_is_in_the_instructions(project: dict[str, Any]) -> None:
    """Packages of Python that colcon does not install: rosdep brings those of package.xml, pip the others."""
    names = "filelock jinja2 numpy opencv-python-headless pillow platformdirs psutil pyyaml rich"
    by_rosdep = {*names.split(), "typing-extensions", "markupsafe"}  # jinja2 brings the last one
    for file in ("README.md", "package.xml"):
        text = (ROOT / file).read_text()
        for requirement in project["dependencies"]:
            name = re.split("[<>=;]", requirement)[0]
            assert name in by_rosdep or name in text, f"{file}: where is {name} from?"


@pytest.mark.slow
def test_sdist_and_wheel(distributed: list[Path], tmp_path: Path) -> None:
    """`python -m build`, `twine check --strict`, and what is in the wheel."""
    pytest.importorskip("twine")
    assert [path.suffix for path in distributed] == [".whl", ".gz"]
    checked = run("-m", "twine", "check", "--strict", *map(str, distributed), folder=tmp_path)
    assert checked.count("PASSED") == 2
    assert distributed[0].stat().st_size <= WHEEL_BYTES
    with zipfile.ZipFile(distributed[0]) as wheel:
        sizes = {info.filename: info.file_size for info in wheel.infolist()}
        described = wheel.read(f"distillmatch_ros-{__version__}.dist-info/METADATA").decode()
    data = f"distillmatch_ros-{__version__}.data/data/{SHARE}"
    assert {f"{data}/{name}" for name in SHIPPED} <= sizes.keys()
    assert "distillmatch_ros/py.typed" in sizes
    # Nothing big but the networks, and no test, page or picture.
    assert {name for name, size in sizes.items() if size > LARGE} == {
        f"{data}/{name}" for name in SHIPPED if name.endswith((".onnx", ".pt"))
    }
    assert not [name for name in sizes if name.startswith(("test", "docs", "examples", "build"))]
    with tarfile.open(distributed[1]) as sdist:
        assert not [name for name in sdist.getnames() if "docs" in Path(name).parts or name.endswith(".jpg")]
    for line in ("License: Apache-2.0", "Requires-Python: >=3.10", "Author: distillmatch_ros maintainers"):
        assert line in described


@pytest.mark.slow
def test_colcon_puts_programs_where_ros2_run_looks(copied: Path, tmp_path: Path) -> None:
    """The command that colcon issues for a package of the type ament_python."""
    prefix = tmp_path / "install"
    run(
        *("-W", "ignore", "setup.py", "egg_info", "--egg-base", str(tmp_path)),
        *("build", "--build-base", str(tmp_path / "build")),
        *("install", "--prefix", str(prefix), "--record", str(tmp_path / "install.log")),
        "--single-version-externally-managed",
        folder=copied,
    )
    programs = prefix / "lib/distillmatch_ros"
    assert {path.name for path in programs.iterdir()} >= {"distillmatch", "fusion_node"}
    assert (programs / "fusion_node").read_text().startswith("#!/usr/bin/env python3")
    assert (prefix / SHARE / "models/light.onnx").is_file() and (prefix / SHARE / "package.xml").is_file()
    assert (prefix / "share/ament_index/resource_index/packages/distillmatch_ros").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wheel_alone_does_what_a_user_does_first(
    distributed: list[Path], tmp_path: Path, day: SyntheticPair, street_drive: Path
) -> None:
    """In an environment that holds nothing but what it requires: match, bag, calibrate, report, doctor."""
    wheel = distributed[0]
    venv.create(tmp_path / "venv")
    program = [str(tmp_path / "venv/bin/python"), "-m"]
    outside = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AMENT_PREFIX_PATH")
    }

    def own(*command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*program, *command], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    run(
        "-m",
        "pip",
        "--python",
        program[0],
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
        folder=tmp_path,
    )
    link_requirements(tmp_path / "venv")
    cv2.imwrite(str(tmp_path / "visible.png"), day.visible)
    cv2.imwrite(str(tmp_path / "thermal.png"), day.thermal)
    shutil.copy(street_drive, tmp_path / "drive.mcap")
    topics = ("--rgb", "/rgb/image", "--thermal", "/thermal/image")
    distillmatch = "distillmatch_ros.cli"
    assert Path(own(distillmatch, "--resources").stdout.strip()).is_relative_to(tmp_path / "venv")
    matched = own(distillmatch, "match", "visible.png", "thermal.png", "--json", "-")
    assert json.loads(matched.stdout)["status"] == "OK"
    own(distillmatch, "bag", "drive.mcap", "registered.mcap", *topics)
    own(distillmatch, "calibrate", "drive.mcap", *topics, "--out", "rig.yaml")
    own(distillmatch, "report", "registered.mcap", "--out", "report.html")
    assert (tmp_path / "rig.yaml").stat().st_size and (tmp_path / "report.html").stat().st_size > 10_000
    examined = json.loads(own(distillmatch, "doctor", "--json", "-").stdout)
    states = {finding["about"]: finding["state"] for finding in examined["findings"]}
    assert (states["ONNX Runtime"], states["PyTorch"], states["ROS 2"]) == ("ok", "note", "note")
