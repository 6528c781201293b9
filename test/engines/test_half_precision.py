"""The typed half-precision graph says the same as the network it was made of."""

import shutil
from pathlib import Path

import pytest
from support import ROOT

from distillmatch_ros.base import resources
from distillmatch_ros.engines.onnx import open_on_cpu
from distillmatch_ros.engines.onnx_file import half_path
from distillmatch_ros.evaluation.verification import LIMITS, compare, register_all
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.scene import SyntheticPair

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
def test_the_shipped_weights_in_half_precision(
    source: str, exported: Path, day: SyntheticPair, night: SyntheticPair
) -> None:
    pairs = [(pair.visible, pair.thermal) for pair in (day, night)]
    if source == "validation":
        if not VALIDATION.is_dir():
            pytest.skip("the validation pairs are not here")
        files = read_folder(VALIDATION)[:4]
        pairs = [(read_image(pair.visible), read_image(pair.thermal)) for pair in files]
    reference, half = open_on_cpu(exported, None), open_on_cpu(half_path(exported), None)
    expected, found = register_all(reference, pairs), register_all(half, pairs)
    compared = compare("half", half.info, reference.info, found, expected, pairs)
    assert LIMITS["fp16"].points_px == 0.1
    assert compared.points_px is not None and compared.points_px <= 0.1
    assert compared.same_status == compared.pairs
    assert compared.faults == ()
