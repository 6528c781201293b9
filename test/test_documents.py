"""The commands of README and docs/ run as they stand, and their links lead somewhere.

A block with a title (```sh title="with a ROS installation"```) needs what a test machine may lack; of its
``distillmatch`` commands, names and options are checked.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest
import yaml
from support import ROOT
from typer.main import get_command

from distillmatch_ros.cli import app
from distillmatch_ros.demo.drive import record_drive
from distillmatch_ros.scene import SyntheticPair

PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "models/MODEL_CARD.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<kind>\w+)(?P<marks>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLES = {
    "installs packages",
    "with a ROS installation",
    "with an NVIDIA GPU",
    "takes long",
    "several terminals",
    "beside a running node",
    "on several machines",
    "with eight pairs of one rig",
    "with a rig and a depth image",
    "excerpt",
}
RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable]}


@dataclass(frozen=True)
class Block:
    page: Path
    number: int
    kind: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.number}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in FENCE.finditer(text):
        title = re.fullmatch(r' title="([^"]+)"', match["marks"])
        assert title or not match["marks"].strip(), f"{page}: {match['marks']} is no title"
        number = text.count("\n", 0, match.start()) + 1
        yield Block(page, number, match["kind"], title[1] if title else None, match["text"])


BLOCKS = [block for page in PAGES for block in blocks(page)]
RUNNING = sorted({block.page for block in BLOCKS if block.kind in RUN and block.title is None})


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, day: SyntheticPair, street_drive: Path) -> Path:
    """The files that the documents speak of."""
    folder = tmp_path_factory.mktemp("material")
    height, width = day.thermal.shape
    half = (width // 2, height // 2)  # what evaluates them takes a fourth of the time
    for side, image in (("visible", day.visible), ("thermal", day.thermal)):
        (folder / "pairs" / side).mkdir(parents=True)
        cv2.imwrite(str(folder / f"pairs/{side}/a.png"), cv2.resize(image, half))
    (folder / "drive1").mkdir()
    for name in ("visible.png", "drive1/rgb_0001.png"):
        cv2.imwrite(str(folder / name), day.visible)
    for name in ("thermal.tiff", "drive1/ir_0001.tiff"):
        cv2.imwrite(str(folder / name), day.thermal)
    (folder / "pairs.csv").write_text("visible,thermal\ndrive1/rgb_0001.png,drive1/ir_0001.tiff\n")
    shutil.copy(street_drive, folder / "drive.mcap")
    record_drive(folder / "mon.mcap", frames=2)
    shutil.copy(folder / "mon.mcap", folder / "tue.mcap")
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`distillmatch` and `python` of this very interpreter, wherever it is installed."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (
        ("distillmatch", "-m distillmatch_ros.cli"),
        ("dask", "-m dask"),
        ("python", ""),
        ("python3", ""),
    ):
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", RUNNING, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_run_as_they_stand(page: Path, material: Path, programs: Path, tmp_path: Path) -> None:
    if page.parent.name != "tutorial":  # which begins with nothing
        shutil.copytree(material, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config").symlink_to(ROOT / "config")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
    }
    for block in blocks(page):
        if block.kind not in RUN or block.title is not None:
            continue
        source = block.text
        if block.kind == "python":
            (tmp_path / "block.py").write_text(source)
            source = "block.py"
        done = subprocess.run(
            [*RUN[block.kind], source], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        if block.kind == "python":
            (tmp_path / "block.py").unlink()


def commands() -> Iterator[tuple[Block, list[str]]]:
    for block in BLOCKS:
        if block.kind == "sh":
            for given in re.findall(
                r"^distillmatch ([^#|;&\n]*)", block.text.replace("\\\n", ""), re.MULTILINE
            ):
                yield block, shlex.split(given)


@pytest.mark.parametrize(("block", "words"), commands(), ids=str)
def test_commands_and_options_exist(block: Block, words: list[str]) -> None:
    program = get_command(app)
    command, options = program, words
    if not words[0].startswith("-"):
        command, options = program.commands[words[0]], words[1:]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in getattr(parameter, "opts", ())}
    given = {word.partition("=")[0] for word in options if word.startswith("--")}
    assert given <= known, f"{block}: {given - known}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind in ("yaml", "json")], ids=str)
def test_data_can_be_read(block: Block) -> None:
    assert json.loads(block.text) if block.kind == "json" else yaml.safe_load(block.text)


def test_titles_say_what_is_needed() -> None:
    assert {block.title for block in BLOCKS if block.title} <= TITLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """In a checkout; those of the site, `mkdocs build --strict` checks with their anchors."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", FENCE.sub("", page.read_text())):
        assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_are_where_pages_link_to(page: Path) -> None:
    text = page.read_text()
    assert "\n::: " not in text  # which only the site understands
    for name, target in re.findall(r"^\[`(distillmatch_ros[\w.]+)`\]\((.+\.py)\)$", text, re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        source = (page.parent / target).resolve().relative_to(ROOT)
        assert source == Path(*module.split(".")).with_suffix(".py"), name
        assert re.search(rf"^(class|def) {attribute}\b", (ROOT / source).read_text(), re.MULTILINE), name


def test_photos_have_a_licence() -> None:
    """Figures are drawn by the package; a photo is somebody's."""
    folder = ROOT / "docs/images"
    stated = (folder / "LICENCES.md").read_text()
    photos = (
        {path.name for path in folder.iterdir()}
        - {path.name for path in folder.glob("*.svg")}
        - {"LICENCES.md"}
    )
    assert photos and all(f"`{name}`" in stated for name in photos)
