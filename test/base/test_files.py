"""Writing results: where it goes, and what is said when it cannot go there."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import (
    STANDARD_OUTPUT,
    make_folder,
    open_text,
    replacing,
    write_bytes,
    write_json,
    write_text,
    writing,
)


def test_folders_above_a_file_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/c.json", "ä")
    assert (tmp_path / "a/b/c.json").read_text(encoding="utf-8") == "ä"


def test_dash_is_standard_output_and_leaves_it_open(capsys: pytest.CaptureFixture[str]) -> None:
    with open_text(STANDARD_OUTPUT) as file:
        file.write("one\n")
    write_text(STANDARD_OUTPUT, "two\n")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for write in (
        lambda: make_folder(taken),
        lambda: write_text(taken / "a.json", ""),
        open_text(tmp_path).__enter__,
    ):
        with pytest.raises(DistillMatchError, match=f"{tmp_path}.*cannot be written"):
            write()


def test_a_reader_that_has_seen_enough_is_no_error_of_the_path() -> None:
    with pytest.raises(BrokenPipeError), writing(STANDARD_OUTPUT):
        raise BrokenPipeError


def test_a_file_name_that_is_no_text_is_written_as_an_escape(tmp_path: Path) -> None:
    path, record = tmp_path / "record.jsonl", {"visible": "cam\udcff.png"}
    with open_text(path) as file:
        file.write(json.dumps(record, ensure_ascii=False))
    assert json.loads(path.read_text()) == record
    write_json(path, record)
    assert json.loads(path.read_text()) == record


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_text(path, "old")
    path.chmod(0o640)
    with replacing(path) as file:
        file.write(b"new" * 100_000)
        assert path.read_text() == "old"
    assert path.read_text() == "new" * 100_000
    assert path.stat().st_mode & 0o777 == 0o640
    for error in (RuntimeError, KeyboardInterrupt):
        with contextlib.suppress(error), replacing(path) as file:
            file.write(b"half")
            raise error
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"figure": float("nan")})
    assert path.read_text() == "new" * 100_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figures.json"
    write_text(path, "old")
    opened = Path.open

    def on_a_full_disk(place: Path, *arguments: str) -> object:
        if place.parent == tmp_path:
            opened(place, *arguments).close()
            place = Path("/dev/full")
        return opened(place, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", on_a_full_disk)
        with pytest.raises(DistillMatchError, match=r"figures\.json: cannot be written \(No space left"):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_text(path, "old")
    program = (
        "import os, signal; from pathlib import Path; from distillmatch_ros.base.files import replacing\n"
        f"with replacing(Path({str(path)!r})) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")  # over what the kill left
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    path, link = tmp_path / "data/figures.json", tmp_path / "latest.json"
    link.symlink_to(path)
    for text in ("first", "second"):  # the first through a link that leads nowhere yet
        path.parent.mkdir(exist_ok=True)
        write_text(link, text)
        assert link.is_symlink()
        assert path.read_text() == text


def test_pipes_and_devices_take_what_is_written(tmp_path: Path) -> None:
    write_bytes(Path("/dev/null"), b"nothing")
    assert Path("/dev/null").is_char_device()
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(timeout=10)
    assert heard == ["through"]
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "c\n"), ("a\nb\n", "a\nb\nc\n"), ("a\nb", "a\nb\nc\n"), ("b", "b\nc\n")],
)
def test_lines_follow_whole_lines(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "lines"
    path.write_text(before)
    with open_text(path, append=True) as file:
        file.write("c\n")
    assert path.read_text() == after


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("redirected", [False, True])
def test_standard_output_has_many_names(tmp_path: Path, name: str, redirected: bool) -> None:
    program = (
        "from pathlib import Path; from distillmatch_ros.base.files import write_text\n"
        f"write_text(Path({name!r}), 'text')"
    )
    command, target = [sys.executable, "-c", program], tmp_path / "out"
    if redirected:
        with target.open("wb") as file:
            subprocess.run(command, stdout=file, check=True)
            assert os.fstat(file.fileno()).st_ino == target.stat().st_ino  # not replaced under the shell
    else:
        target.write_bytes(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert target.read_text() == "text"
