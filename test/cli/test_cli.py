"""The command line: its contract, its exit codes, and one clear line for every wrong use."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import ROOT
from support.cli import assert_wrong_use, run

from distillmatch_ros import __version__


def test_help_names_the_commands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    listed = re.findall(r"^│ ([a-z][a-z-]+)  ", result.stdout, re.MULTILINE)
    assert listed == [
        *("match", "bag", "calibrate", "align"),
        *("inspect", "report", "fleet", "demo"),
        *("evaluate", "evaluate-streams", "evaluate-impossible", "benchmark", "benchmark-node"),
        "fit-probability",
        *("train", "ablate", "train-gan", "translate", "evaluate-gan"),
        *("export", "build-engine", "verify", "doctor"),
    ]
    for command in listed:
        assert run(command, "--help").exit_code == 0


def test_version_is_told_without_a_command() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"distillmatch {__version__}\n")


def test_shipped_files_are_found_without_a_checkout() -> None:
    folder = Path(run("--resources").stdout.strip())
    assert (folder / "config/fusion.yaml").is_file() and (folder / "models/light.onnx").is_file()


def test_match_shows_one_pair(model: str, folder: Path) -> None:
    result = run(
        "match", folder / "visible/a.png", folder / "thermal/a.png", "--model", model, "--out", folder / "out"
    )
    assert result.exit_code == 0, result.output
    for text in ("OK", "100 (100%)", "│ homography", "latency"):
        assert text in result.stdout
    assert "16 bits" not in result.stdout  # of an image of 8 bits
    # A long path is folded, never cut.
    assert str(folder / "out/a_overlay.png") in result.stdout.translate(dict.fromkeys(map(ord, "│ \n")))
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "a_mask.png",
        "a_matches.png",
        "a_overlay.png",
        "a_registered.png",
        "a_visible_registered.png",
        "pairs.jsonl",
    ]


def test_match_one_pair_as_json_on_standard_output(model: str, folder: Path) -> None:
    visible, thermal = folder / "visible/a.png", folder / "thermal/a.png"
    result = run("match", visible, thermal, "--model", model, "--json", "-", "--points")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert (record["visible"], record["thermal"], record["status"]) == (str(visible), str(thermal), "OK")
    np.testing.assert_allclose(record["homography"], np.eye(3), atol=0.05)
    assert len(record["correspondences"]) == 100


def test_match_all_pairs_of_a_csv(model: str, folder: Path) -> None:
    result = run(
        "match", "--pairs", folder / "pairs.csv", "--json", folder / "results.jsonl", "--model", model
    )
    assert result.exit_code == 0
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [record["visible"] for record in records] == ["visible/a.png", "visible/b.png"]
    assert all(record["status"] == "OK" and "correspondences" not in record for record in records)
    assert "OK" in result.stdout


def test_match_all_pairs_of_a_folder(model: str, folder: Path) -> None:
    result = run("match", "--pairs", folder, "--json", "-", "--model", model)
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["thermal"], record["status"]) for record in records] == [
        (str(folder / f"thermal/{name}.png"), "OK") for name in "ab"
    ]


def test_match_goes_on_after_an_unreadable_image_and_exits_1(model: str, folder: Path) -> None:
    (folder / "thermal/a.png").write_bytes(b"not an image")
    result = run("match", "--pairs", folder / "pairs.csv", "--json", "-", "--model", model)
    assert result.exit_code == 1
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["status"] == "ERROR" and "a.png" in first["error"] and first["homography"] is None
    assert second["status"] == "OK" and "error" not in second
    assert "a.png" in result.stderr


def test_match_of_one_unreadable_image_exits_1(model: str, folder: Path) -> None:
    result = run("match", folder / "absent.png", folder / "thermal/a.png", "--model", model)
    assert result.exit_code == 1
    assert "absent.png" in result.stderr and result.stdout == ""


def test_rejected_homography_is_a_result(model: str, folder: Path) -> None:
    cv2.imwrite(str(folder / "thermal/a.png"), np.zeros((64, 80), np.uint8))
    result = run("match", folder / "visible/a.png", folder / "thermal/a.png", "--model", model)
    assert result.exit_code == 0
    assert "FEW_MATCHES" in result.stdout and "│ homography" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("match visible/a.png thermal/a.png --model absent.onnx", "absent.onnx"),
        ("match visible/a.png thermal/a.png --model pairs.csv --backend onnx", "pairs.csv"),
        ("match visible/a.png thermal/a.png --model tiny.onnx --backend abacus", "abacus"),
        (
            "match visible/a.png thermal/a.png --model tiny.onnx --json visible/a.png/x.json",
            "cannot be written",
        ),
        ("match visible/a.png thermal/a.png --model tiny.onnx --out visible/a.png", "cannot be written"),
        ("match --pairs absent.csv", "absent.csv"),
        ("match --pairs bad.csv", "must be visible,thermal"),
        ("match --pairs visible", "visible: has no folder visible/; a pairs folder holds"),
        ("evaluate absent", "absent: no such folder"),
        ("evaluate . --model absent.onnx", "absent.onnx"),
        ("benchmark --model absent.onnx", "absent.onnx"),
        ("demo --model absent.onnx", "absent.onnx"),
        ("demo --model tiny.onnx --out pairs.csv", "cannot be written"),
    ],
)
def test_wrong_use_is_one_line(
    model: str, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    monkeypatch.chdir(folder)
    assert Path(model).name == "tiny.onnx"
    (folder / "bad.csv").write_text("rgb,ir\na,b\n")
    assert_wrong_use(run(*arguments.split()), message)


@pytest.mark.parametrize("arguments", ["train absent.yaml", "export absent.pt new.onnx"])
def test_wrong_use_of_training_is_one_line(
    arguments: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    assert_wrong_use(run(*arguments.split()), "absent")


@pytest.mark.parametrize(
    "arguments",
    [
        ["match"],
        ["match", "a.png"],
        ["match", "a.png", "b.png", "--pairs", "pairs.csv"],
        ["match", "a.png", "b.png", "--points"],
        ["match", "a.png", "b.png", "--threads", "0"],
        ["evaluate", ".", "--preset", "easy"],
        ["evaluate", ".", "--warps", "0"],
        ["evaluate", ".", "--baselines", "sift,surf"],
        ["evaluate"],
        ["train"],
        ["unknown"],
    ],
)
def test_wrong_arguments_exit_2(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_evaluate_writes_table_json_and_markdown(model: str, folder: Path) -> None:
    result = run(
        "evaluate",
        folder,
        "--model",
        model,
        "--warps",
        1,
        "--out",
        folder / "out",
        "--json",
        folder / "e.json",
    )
    assert result.exit_code == 0, result.output
    record = json.loads((folder / "e.json").read_text())
    assert record == json.loads((folder / "out/evaluation.json").read_text())
    assert [(score["preset"], score["method"]) for score in record["scores"]] == [
        (preset, method) for preset in ("rig", "hard") for method in ("tiny", "SIFT", "AKAZE")
    ]
    assert all(score["trials"] == 2 for score in record["scores"])
    assert len(record["trials"]) == 12 and {trial["method"] for trial in record["trials"]} >= {"tiny", "SIFT"}
    table = (folder / "out/evaluation.md").read_text()
    assert table.count("| rig | tiny |") == 2 and "| rig | SIFT |" in table and "| spread |" in table
    assert "AUC@10" in result.stdout and "tiny" in result.stdout


def test_evaluate_reports_an_unreadable_pair_and_exits_1(model: str, folder: Path) -> None:
    (folder / "visible/b.png").write_bytes(b"")
    result = run(
        "evaluate",
        folder,
        "--model",
        model,
        "--preset",
        "rig",
        "--warps",
        1,
        "--json",
        "-",
        "--baselines",
        "none",
    )
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert record["pairs"] == 2 and [score["trials"] for score in record["scores"]] == [1]
    assert "b.png" in record["unreadable"][0]["reason"] and "b.png" in result.stderr


@pytest.mark.slow
def test_benchmark_writes_table_and_json(model: str, folder: Path) -> None:
    result = run(
        "benchmark", folder, "--model", model, "--runs", 2, "--threads", 1, "--json", folder / "b.json"
    )
    assert result.exit_code == 0, result.output
    record = json.loads((folder / "b.json").read_text())
    assert list(record["stages"])[-3:] == ["total", "tracking", "overlay"] and record["runs"] == 2
    for text in ("gain_control", "median ms", "p95 ms", "1 thread", "peak memory"):
        assert text in result.stdout


def test_benchmark_of_an_unreadable_image_exits_1(model: str, folder: Path) -> None:
    (folder / "visible/b.png").write_bytes(b"")
    result = run("benchmark", folder, "--model", model)
    assert result.exit_code == 1 and "b.png" in result.stderr and result.stdout == ""


def test_commands_that_need_torch_say_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("distillmatch_ros.training.", "distillmatch_ros.model.")
    for name in [name for name in sys.modules if name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert_wrong_use(run("train", folder / "pairs.csv"), "pip install 'distillmatch_ros[train]'")
    assert_wrong_use(
        run("export", folder / "a.pt", folder / "a.onnx"), "pip install 'distillmatch_ros[train]'"
    )


@pytest.fixture
def long_run(model: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The program at work on more pairs than anyone waits for; its first line has come."""
    (folder / "pairs.csv").write_text("visible,thermal\n" + "visible/a.png,thermal/a.png\n" * 100_000)
    program = "import sys; from distillmatch_ros.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "match", "--pairs", "pairs.csv", "--json", "-", "--model", model],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and json.loads(process.stdout.readline())["status"] == "OK"
        yield process
        process.kill()


@pytest.mark.slow
def test_interrupt_ends_quietly(long_run: subprocess.Popen[str]) -> None:
    long_run.send_signal(signal.SIGINT)
    _, error = long_run.communicate(timeout=200)
    assert long_run.returncode == 130 and error == "interrupted\n"


@pytest.mark.slow
def test_closed_pipe_ends_quietly(long_run: subprocess.Popen[str]) -> None:
    assert long_run.stdout is not None and long_run.stderr is not None
    long_run.stdout.close()
    assert long_run.wait(timeout=200) == 1 and long_run.stderr.read() == ""


def test_program_starts_without_heavy_packages() -> None:
    program = (
        "import sys, distillmatch_ros.cli.commands\n"
        "print({'torch', 'onnx', 'onnxruntime', 'matplotlib'} & sys.modules.keys())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
