"""Quantises an exported network to 8-bit integers for CPUs; value ranges are calibrated on real pairs."""

import logging
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import onnx

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import replacing
from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.engines.protocol import Engine, EngineInfo, Float32, RawMatches
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.training.export import export

MAX_PAIRS = 100
"""Greatest number of pairs; a larger list is subsampled, since more pairs change the ranges little."""

Inputs = dict[str, Float32]


def export_int8(weights: Weights, path: Path, pairs: Sequence[PairPaths]) -> None:
    """Write an ONNX file whose convolutions and matrix products compute in 8-bit integers.

    The graph is the float32 one with QuantizeLinear and DequantizeLinear; ONNX Runtime and OpenVINO run it.

    Args:
        weights: the trained network.
        path: file to write.
        pairs: pairs for the calibration of ranges, at least one; they need not be aligned.

    Raises:
        DistillMatchError: NNCF is not installed, or a pair cannot be read.
    """
    nncf = _nncf()
    with TemporaryDirectory() as folder:
        full = Path(folder) / path.name
        export(weights, full)
        inputs, model = _inputs(full, pairs), onnx.load(full)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    with redirect_stdout(StringIO()):  # hides its progress bars
        model = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            # Best setting in measurements: symmetric weights, asymmetric activations, attention in float32.
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(inputs),
        )
    onnx.helper.set_model_props(model, metadata | {"precision": "int8"})
    onnx.checker.check_model(model)
    with replacing(path) as file:
        onnx.save(model, file)


class _Recorder:
    """An engine that records its inputs: those of first and second passes, as on a robot."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs: list[Inputs] = []

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        self.inputs.append({"visible": visible[None, None], "thermal": thermal[None, None]})
        return self._engine(visible, thermal)

    def close(self) -> None:
        self._engine.close()


def _inputs(network: Path, pairs: Sequence[PairPaths]) -> list[Inputs]:
    recorder = _Recorder(OnnxEngine.open(network))
    with Registrar(recorder) as registrar:
        for pair in pairs[:: -(-len(pairs) // MAX_PAIRS)]:
            registrar.register(read_image(pair.visible), read_thermal(pair.thermal))
    return recorder.inputs


def _nncf() -> ModuleType:
    """Import NNCF, the quantisation library.

    Raises:
        DistillMatchError: it is not installed.
    """
    os.environ.setdefault("NNCF_CI", "1")  # disables its telemetry
    try:
        import nncf
    except ImportError as error:
        raise DistillMatchError(
            f"int8 needs NNCF, which is not installed here ({error}): pip install 'distillmatch_ros[int8]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    library: ModuleType = nncf
    return library
