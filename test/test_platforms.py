"""`make platforms`: what it says of platforms; making them takes an hour and is not part of the tests."""

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

sys.path.insert(0, str(ROOT))

from tools.platforms import debian
from tools.platforms.checks import Check, Outcome, Visit
from tools.platforms.debian import UnavailableError
from tools.platforms.environments import ENVIRONMENTS, UNTRIED, Environment
from tools.platforms.material import Material
from tools.platforms.page import commands, page
from tools.platforms.places import Done, Place, find_python

HERE = Environment("here", "3.11")
EMULATED = Environment("arm", "3.11", machine="aarch64", debian="bookworm", release="Debian 12", ros=None)
OK = Check("match", "ok", "2.99 px off", 3.0)
TABLE_ROW = re.compile(r"^\| (?!platform|---)(.+) \|$", re.MULTILINE)


def outcome(name: str, *checks: Check, skipped: str | None = None) -> Outcome:
    return Outcome(name, "Debian 12, x86_64", "2026-11-30", False, {"Python": "3.11.7"}, checks, skipped)


def rows(text: str) -> list[list[str]]:
    return [row.split(" | ") for row in TABLE_ROW.findall(text)]


def test_environments_are_those_of_the_package() -> None:
    names = [each.name for each in ENVIRONMENTS]
    assert len(set(names)) == len(names)
    project = (ROOT / "pyproject.toml").read_text()
    for each in ENVIRONMENTS:
        assert all((ROOT / "test" / room).is_dir() for room in each.rooms)
        assert each.ros is None or f"\n{each.ros} = [" in project
        assert each.machine in debian.ARCHITECTURES


@pytest.fixture(scope="module")
def published() -> str:
    return (ROOT / "docs/reference/platforms.md").read_text()


def test_the_published_page_has_a_date_or_a_reason_for_each(published: str) -> None:
    tried, not_tried = (
        rows(part) for part in (published.split("## ")[0], published.split("## Not tried")[1])
    )
    assert len(tried) + len(not_tried) == len(ENVIRONMENTS) + len(UNTRIED)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row[3]) for row in tried)
    assert all(re.fullmatch(r"`.+`", row[1]) and row[2] for row in not_tried)
    assert "\n".join(commands()) in published


def test_page_of_a_platform_that_works_one_that_fails_and_one_that_cannot_be_made() -> None:
    outcomes = {
        "here": outcome("here", OK, Check("bag", "failed", "no | room", 1.0)),
        "arm": outcome("arm", skipped="a chroot needs root"),
    }
    text = page([HERE, EMULATED, Environment("never", "3.12")], outcomes, UNTRIED[:1])
    first, _, skipped, never, untried = rows(text)
    assert first[:4] == ["Debian 12, x86_64", "3.11.7", "Jazzy", "2026-11-30"]
    assert "2.99 px off" in first and "not reached" in first
    assert "no / room" in text.split("## What failed")[1].split("## Not tried")[0]
    assert skipped[2] == "2026-11-30: a chroot needs root" and never[2] == "not run"
    assert untried[0] == UNTRIED[0].platform


def test_only_the_node_needs_wheels_of_ros() -> None:
    text = page([EMULATED], {"arm": outcome("arm", Check("install", "ok", "ok", 1.0), OK)}, ())
    (row, _) = rows(text)
    assert row[4:] == ["ok", "2.99 px off", *["not reached"] * 5, "no wheels of ROS"]


def test_a_place_runs_commands_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    place = Place(tmp_path)
    done = place.run("sh", "-c", 'pwd; echo "${PYTHONPATH:-none}"; echo why >&2; exit 3')
    assert (done.code, done.stdout.split(), done.last) == (3, [str(tmp_path), "none"], "why")
    late = place.run("sh", "-c", "sleep 60 & wait", seconds=0.1)
    assert late.code is None and "0 s" in late.last


def test_an_interpreter_is_one_that_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv's programs on PATH fail where their version is not chosen."""
    own = tmp_path / "pyenv/versions/3.99.1/bin"
    for folder, answer in ((tmp_path, "exit 127"), (own, "echo 3.99")):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("python3.99", "python"):
            (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find_python("3.99") == str(own / "python")
    assert find_python("3.98") is None


def test_what_a_machine_does_not_allow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="apt"):
        debian.unpack("trixie", "x86_64", tmp_path)
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho Other Other main http://other/\n")
    (tmp_path / "apt-get").chmod(0o755)
    with pytest.raises(UnavailableError, match="root"):
        debian.unpack("trixie", "x86_64", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UnavailableError, match="archive"):
        debian.archive()


def test_settings_of_pip_that_name_no_file_go_into_a_chroot(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        "global.index-url='http://index/simple'\nglobal.find-links='/wheels'\n:env:.default-timeout='9'\n"
        "global.extra-index-url='file:///more'\nglobal.cert='/etc/ssl/certs/ca-certificates.crt'\n"
    )
    done = type("Answer", (), {"stdout": listed})
    monkeypatch.setattr(debian.subprocess, "run", lambda *_, **__: done)
    assert debian.pip_settings() == {
        "PIP_INDEX_URL": "http://index/simple",
        "PIP_DEFAULT_TIMEOUT": "9",
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
    }


def test_the_entry_of_the_emulator_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "register").touch()
    monkeypatch.setattr(debian, "BINFMT", tmp_path)
    monkeypatch.setattr(debian, "emulator", lambda folder: Path("/qemu"))
    entry = tmp_path / debian.ENTRY
    with debian.emulated("other", tmp_path):
        assert (tmp_path / "register").read_text().endswith(":/qemu:F")
        entry.touch()
    assert entry.read_text() == "-1"


class Script:
    """Answers commands by their first known word."""

    def __init__(self, **answers: Done) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, *command: str, seconds: float = 0) -> Done:
        word = next((each for each in command if each.replace("-", "_") in self.answers), "")
        self.asked.append(word)
        return self.answers.get(word.replace("-", "_"), Done(0, "", "", 1.0))


@pytest.fixture
def material(tmp_path: Path) -> Material:
    rows, columns = np.mgrid[:16, :20].astype(np.float32)
    return Material(tmp_path, "package.whl", np.stack([columns + 3, rows + 4], axis=-1), (480, 640))


def visit(script: Script, material: Material, reference: np.ndarray | None = None) -> Iterator[Check]:
    return Visit(HERE, material, script, "python3", reference).checks()  # type: ignore[arg-type]


def test_nothing_follows_an_installation_that_fails(material: Material) -> None:
    (only,) = visit(Script(install=Done(1, "", "No matching distribution\n", 2.0)), material)
    assert (only.state, only.found) == ("failed", "No matching distribution")


def test_checks_say_what_was_found(material: Material) -> None:
    found = {"homography": np.eye(3).tolist(), "status": "OK"}
    findings = [{"about": "cache", "value": "full", "state": "fault"}, {"about": "GPU", "state": "note"}]
    script = Script(
        match=Done(0, json.dumps(found), "", 1.0),
        bag=Done(1, "", "Traceback\nno space\n", 1.0),
        doctor=Done(1, json.dumps({"findings": findings}), "", 1.0),
        pytest=Done(1, "FAILED test/base/test_a.py::test_b - x\n1 failed, 7 passed in 3 s\n", "", 1.0),
        benchmark_node=Done(0, json.dumps([{"statuses": {"OK": 2, "TRACKED": 9}}]), "", 1.0),
    )
    checks = {each.name: each for each in visit(script, material, np.eye(3))}
    assert checks["match"].found == "5.00 px off, 0.0000 from the first"
    assert (checks["bag"].state, checks["bag"].found) == ("failed", "no space")
    assert checks["doctor"].found == "cache: full"
    assert checks["tests"].found == "1 failed, 7 passed; base/test_a.py::test_b"
    assert checks["node"].found == "2 OK, 9 TRACKED" and checks["report"].state == "ok"


def test_a_pair_that_is_rejected_is_a_failure(material: Material) -> None:
    script = Script(match=Done(0, json.dumps({"homography": None, "status": "FEW_MATCHES"}), "", 1.0))
    checks = [*islice(visit(script, material), 2)]
    assert (checks[1].state, checks[1].found) == ("failed", "FEW_MATCHES")
