"""The typed half-precision graph says the same as the network it was made of."""

import shutil
from pathlib import Path

import pytest
from support import ROOT

from distillmatch_ros.base import resources
from distillmatch_ros.evaluation.verification import LIMITS, verify
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.pairs import read_folder

VALIDATION = ROOT.parent / "shared/data/rgbt/val"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network, in half precision beside it."""
    pytest.importorskip("torch", reason="exporting needs PyTorch")
    from distillmatch_ros.model.weights import Weights
    from distillmatch_ros.training.export import export

    folder = tmp_path_factory.mktemp("exported")
    shutil.copy(resources.find("models/light.onnx"), folder)
    export(Weights.load(resources.find("models/light.pt")), folder / "light_fp16.onnx", "fp16")
    return folder / "light.onnx"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("source", ["synthetic", "validation"])
def test_the_shipped_weights_in_half_precision(source: str, exported: Path) -> None:
    if source == "validation" and not VALIDATION.is_dir():
        pytest.skip("the validation pairs are not here")
    pairs = read_folder(VALIDATION)[:4] if source == "validation" else []
    found = verify(exported, [(read_image(pair.visible), read_image(pair.thermal)) for pair in pairs])
    [half] = [compared for compared in found.compared if compared.backend == "ONNX Runtime, half precision"]
    assert LIMITS["fp16"].points_px == 0.1
    assert half.points_px is not None and half.points_px <= 0.1
    assert half.same_status == half.pairs
    assert half.faults == ()
