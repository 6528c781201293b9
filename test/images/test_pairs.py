"""Pairs on disk: what a folder and a CSV must look like, and what is said when they do not."""

from pathlib import Path

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.pairs import PairPaths, read_csv, read_folder


def make_folder(root: Path, visible: list[str], thermal: list[str]) -> Path:
    for side, names in (("visible", visible), ("thermal", thermal)):
        (root / side).mkdir(parents=True)
        for name in names:
            (root / side / name).touch()
    return root


def make_csv(root: Path, text: str) -> Path:
    path = root / "pairs.csv"
    path.write_bytes(text.encode())
    return path


def test_folder_pairs_by_name_whatever_the_extension(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, ["b.JPG", "a.jpg", "notes.txt", ".hidden.png"], ["a.png", "b.tiff"])
    assert read_folder(folder) == [
        PairPaths.of(folder / "visible/a.jpg", folder / "thermal/a.png"),
        PairPaths.of(folder / "visible/b.JPG", folder / "thermal/b.tiff"),
    ]


@pytest.mark.parametrize(
    ("visible", "thermal", "message"),
    [
        (["a.png", "b.png"], ["a.png"], r"visible/b\.png; every"),
        (["a.png"], ["a.png", "b.png"], r"thermal/b\.png; every"),
        ([f"{i}.png" for i in range(9)], ["0.png"], r"visible/1\.png, .*visible/3\.png and 5 more"),
        (["a.png", "a.jpg"], ["a.png"], r"a\.jpg and a\.png share a name"),
        ([], ["a.png"], r"visible: holds no images"),
    ],
)
def test_folder_that_does_not_pair_up(
    tmp_path: Path, visible: list[str], thermal: list[str], message: str
) -> None:
    with pytest.raises(DistillMatchError, match=message):
        read_folder(make_folder(tmp_path, visible, thermal))


def test_folder_without_its_two_sides(tmp_path: Path) -> None:
    (tmp_path / "visible").mkdir()
    (tmp_path / "visible" / "a.png").touch()
    with pytest.raises(DistillMatchError, match="has no folder thermal/"):
        read_folder(tmp_path)
    with pytest.raises(DistillMatchError, match="no such folder"):
        read_folder(tmp_path / "absent")


def test_csv_paths_start_at_the_csv_and_are_listed_as_written(tmp_path: Path) -> None:
    path = make_csv(tmp_path, "visible,thermal\n./v/a b.png, t/ä.png\n\n/abs/c.png,t/c.png\n")
    assert read_csv(path) == [
        PairPaths(tmp_path / "v/a b.png", tmp_path / "t/ä.png", ("./v/a b.png", "t/ä.png")),
        PairPaths(Path("/abs/c.png"), tmp_path / "t/c.png", ("/abs/c.png", "t/c.png")),
    ]


def test_csv_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    path = make_csv(tmp_path, '\ufeffVisible,Thermal\r\n"a, b.png",c.png\r\n')
    assert [pair.listed_as for pair in read_csv(path)] == [("a, b.png", "c.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a.png,b.png\n", r"first line is 'a\.png,b\.png'; it must be visible,thermal"),
        ("thermal,visible\na,b\n", "it must be visible,thermal"),
        ("visible\na\n", "it must be visible,thermal"),
        ("visible,thermal\n", "lists no pairs"),
        ("visible,thermal\na,b\nc\n", "row 3 is 'c'"),
        ("visible,thermal\na,\n", "row 2 is 'a,'"),
        ("visible,thermal\na,b,c\n", "row 2 is 'a,b,c'"),
        ("visible,thermal\na,b\0\n", "row 2 is|NUL"),
    ],
)
def test_csv_that_is_no_list_of_pairs(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DistillMatchError, match=message):
        read_csv(make_csv(tmp_path, text))


def test_csv_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DistillMatchError, match="absent: no such"):
        read_csv(tmp_path / "absent")
    for path in (tmp_path, binary):
        with pytest.raises(DistillMatchError, match="cannot be read as a CSV"):
            read_csv(path)
