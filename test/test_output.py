"""Writing results: where it goes, and what is said when it cannot go there."""

import json
from pathlib import Path

import pytest

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.output import STANDARD_OUTPUT, make_folder, open_text, write_text, writing


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
    path = tmp_path / "record.jsonl"
    with open_text(path) as file:
        file.write(json.dumps({"visible": "cam\udcff.png"}, ensure_ascii=False))
    assert json.loads(path.read_text()) == {"visible": "cam\udcff.png"}
