"""The doubles in the places of the real packages, and a cache of one's own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.cuda_double import CudaDouble
from support.tensorrt_double import TensorRtDouble
from support.tiny_network import WriteNetwork

OURS = [f"distillmatch_ros.engines.{name}" for name in ("cuda", "tensorrt", "build")]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where plans go in these tests, whatever the machine has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "distillmatch_ros"


@pytest.fixture
def without_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without TensorRT, whatever this one has."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for name in OURS:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without OpenVINO, whatever this one has."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "distillmatch_ros.engines.openvino", raising=False)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> CudaDouble:
    """The double in the place of ``cuda.bindings.runtime``."""
    double, bindings = CudaDouble(), ModuleType("cuda.bindings")
    bindings.runtime = double  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    return double


@pytest.fixture
def trt(cuda: CudaDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[TensorRtDouble]:
    """The double in the place of ``tensorrt``; modules that hold it are imported anew."""
    double = TensorRtDouble(cuda)
    monkeypatch.setitem(sys.modules, "tensorrt", double)  # type: ignore[arg-type]
    before = {name: sys.modules.pop(name, None) for name in OURS}
    yield double
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def network(write_network: WriteNetwork) -> Path:
    """A small network in the precision that TensorRT is given."""
    return write_network(precision="fp16")
