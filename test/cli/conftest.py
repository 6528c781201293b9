"""A folder with pairs, and a network, for commands to work on."""

from pathlib import Path

import cv2
import pytest
from support.bags import texture


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pairs folder of two, and a CSV that lists them."""
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
        for number, name in enumerate("ab"):
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), texture(number, (64, 80)))
    rows = [f"visible/{name}.png,thermal/{name}.png" for name in "ab"]
    (tmp_path / "pairs.csv").write_text("\n".join(["visible,thermal", *rows, ""]))
    return tmp_path
