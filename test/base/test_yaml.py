from pathlib import Path

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.yaml import parse_yaml, read_yaml


@pytest.mark.parametrize("text", ["{", "a: 2026-99-99", "[" * 20000, "!!python/object:os.system x", "a: \0"])
def test_what_is_not_yaml_is_an_error_of_its_source(text: str) -> None:
    with pytest.raises(DistillMatchError, match=r"^rig\.yaml: is not YAML \(.+\); see the manual$"):
        parse_yaml(text, "rig.yaml", "see the manual")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    with pytest.raises(DistillMatchError, match=r"rig\.yaml: cannot be read \(No such file.*\); make one"):
        read_yaml(path, "make one")
    path.write_bytes(b"a: \xff")
    with pytest.raises(DistillMatchError, match=r"rig\.yaml: is not YAML"):
        read_yaml(path, "make one")
    path.write_text("a: 1")
    assert read_yaml(path, "make one") == {"a": 1}


def test_a_device_is_never_read() -> None:
    """One that has no end would fill the memory; a node that was told to read it never came back."""
    with pytest.raises(DistillMatchError, match="is a device"):
        read_yaml(Path("/dev/zero"), "make one")
