"""Images get through by default; whoever chose a transport keeps it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.bench import Bench
from support.ros_fixtures import StartNode
from support.ros_process import closing_all, domain, start_node

from distillmatch_ros.ros.transport import (
    OWN_CHOICE,
    VARIABLES,
    before_a_command,
    shipped,
    variables_to_set,
)
from distillmatch_ros.tools.processes import own_graph

SHIPPED = str(ROOT / "config/fastdds.xml")


def test_the_shipped_profile_is_set_where_nothing_was_chosen() -> None:
    assert variables_to_set({"HOME": "/"}) == dict.fromkeys(VARIABLES, SHIPPED)


@pytest.mark.parametrize("name", OWN_CHOICE)
@pytest.mark.parametrize("value", ["own.xml", ""])
def test_a_variable_of_the_user_is_kept(name: str, value: str) -> None:
    assert variables_to_set({name: value}) == {}


def test_a_profile_in_the_working_directory_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").touch()
    assert variables_to_set({}) == {}


def test_processes_of_the_package_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN_CHOICE:
        monkeypatch.delenv(name, raising=False)
    assert own_graph(tmp_path).items() >= dict.fromkeys(VARIABLES, SHIPPED).items()
    monkeypatch.setenv(VARIABLES[0], "own.xml")
    assert own_graph(tmp_path)[VARIABLES[0]] == "own.xml"


def test_tools_join_the_graph_with_it(transport: None) -> None:
    program = (
        "import os\n"
        "from distillmatch_ros.tools.graph import guest\n"
        f"with guest('tool'): print(*(os.environ[name] for name in {VARIABLES}))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in OWN_CHOICE}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(ROOT), "ROS_DOMAIN_ID": str(domain())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [SHIPPED] * len(VARIABLES)


@pytest.mark.slow
def test_the_node_uses_it_and_says_so(
    transport: None, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OWN_CHOICE:
        monkeypatch.delenv(name, raising=False)
    with closing_all() as things:
        own = domain()
        node = start_node(own, tmp_path, "-p", f"model:={network}")
        things.append(node)
        bench = Bench(own)
        things.append(bench)
        bench.see()
        assert f"{before_a_command(shipped())}: camera drivers need it too" in node.said


@pytest.mark.slow
def test_a_choice_is_not_commented_on(start: StartNode) -> None:
    node, bench = start()
    bench.see()
    assert "camera drivers need it too" not in node.said


def test_launch_files_hand_it_to_what_they_start() -> None:
    assert "variables_to_set(os.environ)" in (ROOT / "launch/fusion.launch.py").read_text()
