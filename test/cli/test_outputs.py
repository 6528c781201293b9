"""One rule for what commands write: nothing is lost, nothing begun in vain, nothing left of a failure."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.bags import RGB, THERMAL, Drive, write_bag
from support.cli import assert_wrong_use, run

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs
from distillmatch_ros.cli import app

KEPT = "what was there before"
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# Training goes on in a folder that is there, until it is done.
RESUMING = {"train", "train-gan", "ablate"}

OUTPUTS = {
    "match --json": ("match visible/a.png thermal/a.png --json {}", "r.jsonl"),
    "match --out": ("match --pairs . --out {}", "a_overlay.png"),
    "match --out, a mask": ("match --pairs . --out {}", "b_mask.png"),
    "evaluate --out": ("evaluate . --out {}", "evaluation.md"),
    "evaluate --json": ("evaluate . --json {}", "e.json"),
    "evaluate-streams": ("evaluate-streams . --json {}", "s.json"),
    "evaluate-impossible": ("evaluate-impossible . --json {}", "i.json"),
    "benchmark": ("benchmark . --json {}", "b.json"),
    "benchmark-node": ("benchmark-node --json {}", "b.json"),
    "bag": ("bag drive.mcap {} --rgb /r --thermal /t", "out.mcap"),
    "bag, a folder": ("bag drive.mcap other.mcap {} --rgb /r --thermal /t", "drive.mcap"),
    "bag --json": ("bag drive.mcap new.mcap --rgb /r --thermal /t --json {}", "s.json"),
    "calibrate": ("calibrate drive.mcap --rgb /r --thermal /t --out {}", "rig.yaml"),
    "calibrate --json": ("calibrate drive.mcap --rgb /r --thermal /t --out new.yaml --json {}", "s.json"),
    "align": ("align drive.mcap --rgb /r --thermal /t --out {}", "align.json"),
    "align --json": ("align drive.mcap --rgb /r --thermal /t --out new --json {}", "s.json"),
    "fleet": ("fleet table --json {}", "f.json"),
    "demo": ("demo --out {}", "index.html"),
    "demo --json": ("demo --out new --json {}", "d.json"),
    "fit-probability": ("fit-probability . --out {}", "p.json"),
    "fit-probability --diagram": ("fit-probability . --out new.json --diagram {}", "p.svg"),
    "fit-probability --json": ("fit-probability . --out new.json --json {}", "p.json"),
    "translate": ("translate visible {} --weights absent.pt", "a.png"),
    "evaluate-gan --out": ("evaluate-gan . --weights absent.pt --out {}", "translation.json"),
    "evaluate-gan --json": ("evaluate-gan . --weights absent.pt --json {}", "g.json"),
    "export": ("export absent.pt {}", "new.onnx"),
    "build-engine": ("build-engine tiny.onnx --json {}", "e.json"),
    "inspect": ("inspect drive.mcap --json {}", "i.json"),
    "report": ("report drive.mcap --out {}", "report.html"),
    "report --json": ("report drive.mcap --out new.html --json {}", "r.json"),
    "verify": ("verify . --json {}", "v.json"),
    "doctor": ("doctor --json {}", "d.json"),
}
OF_FOLDERS = {
    "a_overlay.png",
    "align.json",
    "b_mask.png",
    "evaluation.md",
    "drive.mcap",
    "index.html",
    "a.png",
} | {"translation.json"}


@pytest.fixture
def here(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    for name in ("drive.mcap", "other.mcap"):
        Path(name).touch()
    return folder


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_every_command_that_writes_is_in_the_list() -> None:
    for name, command in COMMANDS.items():
        options = {option for each in command.params for option in each.opts}
        assert ("--overwrite" in options) == (name not in RESUMING), name
        assert name in RESUMING or any(case.split(" ")[0] in (name, f"{name},") for case in OUTPUTS), name


@pytest.mark.parametrize("case", OUTPUTS)
def test_what_exists_is_kept_and_nothing_is_begun(here: Path, case: str) -> None:
    command, name = OUTPUTS[case]
    if command.split()[0] in ("translate", "evaluate-gan", "export"):
        pytest.importorskip("torch")
    place = here / "results" / name
    place.parent.mkdir()
    place.write_text(KEPT)
    before = everything(here)
    target = place.parent if name in OF_FOLDERS else place
    result = run(*command.format(target).split())
    assert_wrong_use(result, f"{place}: exists already; pass --overwrite to replace it")
    assert place.read_text() == KEPT
    assert everything(here) == before


@pytest.mark.parametrize(
    "command",
    [
        "match --pairs . --model absent.onnx --out new --json other/r.jsonl",
        "evaluate . --model absent.onnx --out new --json other/e.json",
        "bag drive.mcap new/out.mcap --rgb /r --thermal /t --json other/s.json",
        "bag drive.mcap other.mcap new --rgb /r --thermal /t --model absent.onnx",
        "calibrate drive.mcap --out new/rig.yaml --rgb /r --thermal /t",
        "align drive.mcap --out new --rgb /r --thermal /t",
        "demo --out new --model absent.onnx",
        "translate visible new --weights absent.pt",
        "evaluate-gan . --weights absent.pt --out new",
        "export absent.pt new/light.onnx",
    ],
)
def test_a_command_that_fails_leaves_no_folder(here: Path, command: str) -> None:
    if command.split()[0] in ("translate", "evaluate-gan", "export"):
        pytest.importorskip("torch")
    before = everything(here)
    assert run(*command.split()).exit_code != 0
    assert everything(here) == before


def test_overwrite_replaces(here: Path, model: str) -> None:
    arguments = ("match", "--pairs", ".", "--out", "new", "--json", "r.jsonl", "--model", model)
    assert run(*arguments).exit_code == 0
    Path("new/a_overlay.png").write_text(KEPT)
    assert run(*arguments).exit_code == 2
    assert run(*arguments, "--overwrite").exit_code == 0
    assert Path("new/a_overlay.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("out", ["o1.bag", "o1.db3", "there.bag/o1.db3"])
def test_a_bag_of_a_kind_that_is_not_written_is_no_folder(here: Path, out: str) -> None:
    before = everything(here)
    assert_wrong_use(run("bag", "drive.mcap", out), "the output is an MCAP file or a folder and comes last")
    assert everything(here) == before


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("export absent.pt new.txt", "new.txt: would hold ONNX; choose a name that ends in .onnx"),
        ("fit-probability . --diagram new.png", "new.png: would hold SVG; choose a name that ends in .svg"),
    ],
)
def test_a_file_is_named_after_its_format(here: Path, command: str, told: str) -> None:
    before = everything(here)
    assert_wrong_use(run(*command.split()), told)
    assert everything(here) == before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("calibrate other.mcap --out drive.mcap", "drive.mcap"),
        ("inspect drive.mcap --json drive.mcap", "drive.mcap"),
        ("bag other.mcap new.mcap --rgb /r --thermal /t --json drive.mcap", "drive.mcap"),
        ("match visible/a.png thermal/a.png --json visible/a.png", "visible/a.png"),
        ("benchmark . --json thermal/a.png", "thermal/a.png"),
        ("verify . --json visible/a.png", "visible/a.png"),
        ("fit-probability . --out thermal/a.png", "thermal/a.png"),
        ("report drive.mcap --out visible/a.png", "visible/a.png"),
        ("calibrate drive.mcap --out p.yaml --params p.yaml", "p.yaml"),
    ],
)
def test_even_overwrite_replaces_no_file_of_another_kind(here: Path, command: str, name: str) -> None:
    Path("p.yaml").write_text("fusion_node: {ros__parameters: {}}")
    kept = (here / name).read_bytes()
    result = run(*command.split(), "--overwrite")
    assert result.exit_code == 2
    assert f"{name}: " in " ".join(result.output.split())
    assert (here / name).read_bytes() == kept


def test_a_bag_that_is_a_folder_is_not_written_into(here: Path) -> None:
    Path("rec").mkdir()
    Path("rec/a.mcap").write_text(KEPT)
    result = run("bag", "rec", "rec/a.mcap", "--rgb", "/r", "--thermal", "/t", "--overwrite")
    assert result.exit_code == 2
    assert Path("rec/a.mcap").read_text() == KEPT


def test_an_input_is_no_output(here: Path) -> None:
    result = run("bag", "drive.mcap", "./visible/../drive.mcap", "--overwrite")
    assert_wrong_use(result, "is one of the bags to read")


def test_pipes_and_devices_are_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_outputs([None, STANDARD_OUTPUT, tmp_path / "pipe", Path("/dev/null")], overwrite=False)


def test_places_that_cannot_be_written_are_told_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file/below", tmp_path / ("x" * 300)):
        with pytest.raises(DistillMatchError, match="cannot be written"):
            check_outputs([path], overwrite=True)
    check_outputs([tmp_path / "a/b/c"], overwrite=False)
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has it")
def test_a_folder_that_takes_no_files_is_told_before() -> None:
    with pytest.raises(DistillMatchError, match="cannot be written"):
        check_outputs([Path("/proc/nowhere/x.html")], overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is open to this user")
def test_a_folder_without_permission_is_told_before(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DistillMatchError, match="Permission denied"):
        check_outputs([tmp_path / "new/file"], overwrite=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("match", "visible/a.png", "thermal/a.png", "--json", "visible/a.png"),
        ("match", "--pairs", "pairs.csv", "--json", "pairs.csv"),
        ("match", "visible/a.png", "thermal/a.png", "--out", "out", "--json", "out/pairs.jsonl"),
        ("evaluate", ".", "--json", "thermal/a.png"),
        ("evaluate", ".", "--out", "out", "--json", "out/evaluation.json"),
        ("report", "lines.jsonl", "-o", "lines.jsonl"),
        ("report", "lines.jsonl", "-o", "x.html", "--json", "./x.html"),
        ("bag", "drive.mcap", "out.mcap", "--json", "drive.mcap"),
        ("bag", "drive.mcap", "out.mcap", "--json", "out.mcap"),
    ],
)
def test_no_output_replaces_an_input_or_another_output(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    for name in ("lines.jsonl", "drive.mcap"):
        Path(name).write_text("{}")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = run(*arguments, "--overwrite")
    assert result.exit_code == 2 and "is an input or another output too" in result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("match", "/dev/zero", "thermal/a.png"),
        ("match", "--pairs", "/dev/zero"),
        ("report", "/dev/zero"),
        ("inspect", "/dev/zero"),
        ("bag", "/dev/zero", "x.mcap"),
    ],
)
def test_devices_are_no_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code in (1, 2) and "is a device" in result.stderr, result.output


def test_control_characters_are_shown_and_not_obeyed(folder: Path) -> None:
    result = run("match", folder / "\x1b[31mred.png", folder / "thermal/a.png")
    assert result.exit_code in (1, 2) and "\\x1b[31mred.png" in result.stderr and "\x1b" not in result.stderr


def test_what_may_be_chosen_is_listed_in_lines(tmp_path: Path) -> None:
    recording = write_bag(tmp_path, "mcap", Drive(pairs=2))
    result = run("bag", recording, tmp_path / "out.mcap", "--rgb", "/none", "--thermal", THERMAL)
    first, *listed = result.stderr.splitlines()
    assert result.exit_code == 2 and first.startswith("error: ") and first.endswith("choose from")
    assert [line.split()[0] for line in listed] == [RGB, THERMAL]
    assert all(line.startswith("  ") for line in listed)


def test_a_line_break_in_a_name_begins_no_line(folder: Path) -> None:
    result = run("match", folder / "a\nerror: b.png", folder / "thermal/a.png")
    assert "a\\nerror: b.png" in result.stderr and len(result.stderr.splitlines()) == 1
