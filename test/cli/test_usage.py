"""Help, options and interrupts as people expect them of any program."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import typer.main
from support import ROOT
from support.bags import RGB, THERMAL, Drive, write_bag
from support.cli import PROGRAM, assert_wrong_use, run, start

from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.cli import app
from distillmatch_ros.cli.view.node import show_node_benchmarks
from distillmatch_ros.stream.outputs import TOPICS
from distillmatch_ros.tools import node_benchmark
from distillmatch_ros.tools.node_benchmark import NodeBenchmark

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
VALUE = r"[A-Z_]+([=|][A-Z]+)?|[a-z0-9]+(\|[a-z0-9]+)+|[a-z]+\|[A-Z]+|0-5"
"""Such as FILE, NAME=VALUE, CSV|DIR, fp16|fp32, auto|FILE."""
MEASURED = NodeBenchmark(
    pass_seconds=1.0,
    seconds=10.0,
    pairs_hz=6.0,
    statuses={"OK": 60},
    tracked=0.8,
    superseded=240,
    passes_hz=1.0,
    cores=1.5,
    age=Percentiles(170.0, 210.0),
    engine=Percentiles(120.0, 140.0),
    registration=Percentiles(140.0, 170.0),
    transport=Percentiles(12.0, 18.0),
    within_registration=0.99,
    jitter_px=0.3,
    memory_mib=(280.0, 287.0, 287.0),
    growth_mib_per_minute=0.1,
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_values_as_people_write_them(name: str) -> None:
    for option in COMMANDS[name].params:
        if option.param_type_name == "option" and "--help" not in option.opts:
            assert option.metavar is not None, f"{name} {option.opts}"
            assert re.fullmatch(VALUE, option.metavar) or getattr(option, "is_flag", False)


@pytest.mark.parametrize("command", ["bag", "calibrate", "align", "report"])
def test_the_topics_are_a_group_of_their_own(command: str) -> None:
    shown = run(command, "--help").stdout
    group = shown[shown.index("─ Topics (") :]
    group = group[: group.index("╰")]
    assert "--rgb" in group and "--thermal" in group


@pytest.mark.slow
@pytest.mark.parametrize("words", ["bag drive.mcap out.mcap", "bag drive.mcap", "calibrate drive.mcap"])
def test_the_shell_offers_the_topics_of_the_bag(words: str, tmp_path: Path) -> None:
    write_bag(tmp_path, "mcap", Drive(pairs=2)).rename(tmp_path / "folder")
    next((tmp_path / "folder").glob("*.mcap")).rename(tmp_path / "drive.mcap")
    line = f"distillmatch {words} --thermal "
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'distillmatch'; {PROGRAM}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_DISTILLMATCH_COMPLETE": "complete_bash",
            "_TYPER_COMPLETE_ARGS": line,
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split())),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert {RGB, THERMAL} <= set(done.stdout.split()), done


def test_completion_is_installed_by_the_program_itself() -> None:
    assert "--install-completion" in run("--help").stdout


@pytest.mark.parametrize("form", ["tolerance=0.05", "tolerance:=0.05"])
def test_settings_take_both_forms(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Any] = []

    def measure(
        seconds: float,
        period: float,
        arguments: list[str],
        outputs: tuple[str, ...],
        on_second: object,
        depth: bool,
    ) -> NodeBenchmark:
        told.extend((*arguments, depth, outputs))
        return MEASURED

    monkeypatch.setattr(node_benchmark, "run_node_benchmark", measure)
    assert run("benchmark-node", "--set", form).exit_code == 0
    assert told == ["-p", "tolerance:=0.05", False, tuple(name for name in TOPICS if name != "points")]
    assert run("benchmark-node", "--only", "status", "--only", "homography", "--depth").exit_code == 0
    assert told[-2:] == [True, ("homography", "status")]
    assert_wrong_use(run("benchmark-node", "--only", "picture"), "choose from correspondences")
    # A value that does not fit is named, which an unread one would not be.
    result = run("calibrate", tmp_path / "absent.mcap", "--set", form.replace("0.05", "fast"))
    assert result.exit_code == 2 and "tolerance" in result.stderr


@pytest.mark.parametrize("command", ["benchmark-node", "bag in.mcap out.mcap", "calibrate in.mcap"])
@pytest.mark.parametrize("setting", ["tolerance", "tolerance:", "=1", ":=1"])
def test_a_setting_without_name_or_value_is_wrong_use(command: str, setting: str) -> None:
    assert_wrong_use(run(*command.split(), "--set", setting), "write NAME=VALUE")


@pytest.mark.parametrize("words", [["inspect", ""], ["bag", "in.mcap", ""], ["bag", "", "out.mcap"], [""]])
def test_an_empty_argument_is_not_the_working_directory(words: list[str]) -> None:
    assert_wrong_use(run(*words), "empty")


def test_goals_of_the_project_are_not_shown_to_users(capsys: pytest.CaptureFixture[str]) -> None:
    show_node_benchmarks([MEASURED])
    shown = capsys.readouterr().out
    assert "99.0%" in shown and "wanted" not in shown
    assert "[ms]" in shown and "[MiB]" in shown  # brackets are not markup


@pytest.mark.parametrize(
    ("module", "interrupted"),
    [
        ("distillmatch_ros.cli.commands", "signal.raise_signal(signal.SIGINT)"),
        ("onnxruntime", "raise ImportError('initialization failed') from KeyboardInterrupt()"),
    ],
)
def test_ctrl_c_while_the_program_is_loaded_is_one_line(module: str, interrupted: str) -> None:
    program = (
        "import signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}: {interrupted}\n"
        f"sys.meta_path.insert(0, Finder())\n{PROGRAM}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "benchmark", "--backend", "onnx"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
@pytest.mark.parametrize("name", ["evaluate", "benchmark", "match --pairs"])
def test_ctrl_c_at_work_is_one_line(name: str, folder: Path, model: str) -> None:
    """The terminal sends it to all processes of the command."""
    command, *options = name.split()
    many = {"evaluate": ["--warps", "100000"], "benchmark": ["--runs", "1000000"]}.get(command, [])
    if options:
        (folder / "pairs.csv").write_text("visible,thermal\n" + "visible/a.png,thermal/a.png\n" * 100_000)
    arguments = [command, *options, "pairs.csv" if options else ".", *many, "--model", model]
    announced = f"import atexit; print('begun', flush=True)\n{PROGRAM}"
    with start(arguments, folder, announced) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        while "onnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            sleep(0.1)
        with suppress(subprocess.TimeoutExpired):
            process.wait(4)
        os.killpg(process.pid, signal.SIGINT)
        output, error = process.communicate(timeout=200)
    assert process.returncode == 130 and bool(output) is (command == "evaluate")  # it keeps what is done
    assert error.splitlines()[-1].partition(":")[0] == "interrupted" and "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (("benchmark", "--backend", "ncnn"), "'ncnn' is unknown; choose auto, onnx"),
        (("match", "absent.png", "absent.png", "--backend", "ncnn"), "'ncnn' is unknown; choose auto, onnx"),
        (("verify", "--backend", "auto"), "'auto' is unknown; choose onnx"),
    ],
)
def test_unknown_backend_is_rejected_before_anything_is_read(
    arguments: tuple[str, ...], choices: str
) -> None:
    assert_wrong_use(run(*arguments), choices)
