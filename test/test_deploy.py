"""Containers, the system's service and workflows: what can be checked without running them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import ROOT

from distillmatch_ros.cli import app

DOCKERFILES = sorted((ROOT / "deploy").glob("Dockerfile*"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
UNPINNED = "DL3008"  # apt's packages follow the release of ROS that the base image has
SYSTEMD = shutil.which("systemd-analyze")


def instructions(file: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with their values, continued lines joined."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, value) for line in joined.splitlines() if line for word, value in [line.split(" ", 1)]]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_image_runs_as_a_user_and_states_its_health(file: Path) -> None:
    found = instructions(file)
    last = dict(found)
    assert last["USER"] == "${USER_ID}"
    assert found.index(("USER", last["USER"])) < [word for word, _ in found].index("CMD")
    command = json.loads(last["CMD"])
    assert f'"{command[0]} = ' in (ROOT / "setup.py").read_text()
    assert json.loads(last["HEALTHCHECK"].split("CMD ")[1]) == ["healthy"]
    assert "--shm-size" in file.read_text()
    named = {value.split("=")[0] for word, value in found if word == "ARG"}
    assert {"ROS_DISTRO", "USER_ID"} <= named


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_image_has_no_lint(file: Path) -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [linter, "--ignore", UNPINNED, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_image_gets_what_the_installation_reads() -> None:
    """The context that is sent to Docker: everything of it that setup.py names, and no data."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sent)
    assert sent >= {"config", "distillmatch_ros", "launch", "models", "package.xml", "pyproject.toml"}
    for file in DOCKERFILES:
        for word, value in instructions(file):
            if word == "COPY" and "--from" not in value:
                *_, source, _ = value.split()
                assert source == "." or source in sent


@pytest.mark.parametrize(
    ("said", "code"), [("active [3]", 0), ("unconfigured [1]", 1), ("Node not found", 1)]
)
def test_health_is_the_lifecycle_state(said: str, code: int, tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    entry.write_text(f"#!/bin/sh\n[ \"$*\" = 'ros2 lifecycle get /own' ] && echo '{said}'\n")
    entry.chmod(0o755)
    script = (ROOT / "deploy/healthy").read_text().replace("/ros_entrypoint.sh", str(entry))
    done = subprocess.run(["sh", "-c", script], env={"NODE": "/own", "PATH": "/usr/bin:/bin"}, check=False)
    assert done.returncode == code


def test_compose_shares_memory() -> None:
    (service,) = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"].values()
    assert service["ipc"] == "host" and service["shm_size"] == "256m"
    assert (ROOT / service["build"]["dockerfile"]).is_file()


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed")
def test_service_is_one() -> None:
    unit = ROOT / "deploy/distillmatch.service"
    done = subprocess.run([str(SYSTEMD), "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("given", [{}, {"PARAMETERS": "/etc/own.yaml"}], ids=["default", "parameters"])
def test_service_starts_the_launch_file(given: dict[str, str], tmp_path: Path) -> None:
    text = (ROOT / "deploy/distillmatch.service").read_text()
    shell = re.search(r"^ExecStart=/bin/bash -c '(.+)'$", text, re.MULTILINE)
    assert shell is not None
    (tmp_path / "setup").touch()
    (tmp_path / "ros2").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "ros2").chmod(0o755)
    environment = {"SETUP": str(tmp_path / "setup"), "RGB": "/a", "THERMAL": "/b", "PARAMETERS": "", **given}
    done = subprocess.run(
        ["/bin/bash", "-c", shell[1].replace("$$", "$")],
        env={**environment, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    own = [f"params_file:={given['PARAMETERS']}"] if given else []
    assert done.stdout.split() == [
        "launch",
        "distillmatch_ros",
        "fusion.launch.py",
        "rgb:=/a",
        "thermal:=/b",
        *own,
    ]


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_runs_what_there_is(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert {"name", "jobs", "permissions", True} <= workflow.keys()  # YAML 1.1 reads `on` as true
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
        command = step.get("run", "")
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0
        assert set(re.findall(r"\bmake (\w+)", command)) <= targets
        for used in re.findall(r"/distillmatch\"? (\w+)", command):
            assert used in {command.name for command in app.registered_commands}


def test_release_takes_its_notes_from_the_changelog() -> None:
    (step,) = (
        each
        for each in steps(yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text()))
        if "notes.md" in each.get("run", "") and "awk" in each["run"]
    )
    command = step["run"].replace("> notes.md", "")
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={"TAG": "v0.1.0", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    notes = done.stdout.decode()
    assert "### Added" in notes and "Unreleased" not in notes and notes.count("### Added") == 1
