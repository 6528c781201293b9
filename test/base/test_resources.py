from pathlib import Path

import pytest

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError


def test_checkout_holds_the_files_beside_the_package() -> None:
    assert resources.find("resource/distillmatch_ros").is_file()


@pytest.mark.parametrize("packages", ["lib/python3.10/site-packages", "local/lib/python3.10/dist-packages"])
def test_installed_package_finds_them_under_its_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packages: str
) -> None:
    package = tmp_path / packages / "distillmatch_ros"
    model = tmp_path / "share/distillmatch_ros/models/light.onnx"
    for folder in (package, model.parent):
        folder.mkdir(parents=True)
    model.touch()
    monkeypatch.setattr(resources, "__file__", str(package / "base/resources.py"))
    assert resources.find("models/light.onnx") == model
    with pytest.raises(DistillMatchError, match=r"models/absent\.onnx: not part of this installation"):
        resources.find("models/absent.onnx")
