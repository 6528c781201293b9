"""What pip and colcon are told agrees with what is in the checkout."""

import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from distillmatch_ros import __version__

setuptools = pytest.importorskip("setuptools")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keywords that setup.py passes to setuptools."""
    keywords: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **given: keywords.update(given))
    runpy.run_path("setup.py")
    return keywords


def test_package_xml_agrees(told: dict[str, Any]) -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    for field in ("name", "version", "license"):
        assert package.findtext(field) == told[field]
    assert told["version"] == __version__
    assert package.findtext("export/build_type") == "ament_python"


def test_every_package_and_every_shared_file_is_installed(told: dict[str, Any]) -> None:
    packages = {path.parent.relative_to(ROOT) for path in ROOT.glob("distillmatch_ros/**/__init__.py")}
    assert set(told["packages"]) == {".".join(path.parts) for path in packages}
    without_init = {path.parent for path in ROOT.glob("distillmatch_ros/**/*.py")} - {
        ROOT / path for path in packages
    }
    assert not without_init
    installed = {f"{folder}/{Path(file).name}" for folder, files in told["data_files"] for file in files}
    shipped = [
        path
        for folder in ("config", "launch", "models")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]
    assert installed >= {f"share/distillmatch_ros/{path.relative_to(ROOT).as_posix()}" for path in shipped}
    assert installed >= {
        "share/distillmatch_ros/package.xml",
        "share/ament_index/resource_index/packages/distillmatch_ros",
    }


def test_base_install_needs_no_torch(told: dict[str, Any]) -> None:
    assert not [name for name in told["install_requires"] if name.startswith("torch")]
    assert [name for name in told["extras_require"]["train"] if name.startswith("torch")]
