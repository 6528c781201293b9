"""What the backend `onnx` asks of ONNX Runtime, by the providers that its wheels offer; no GPU is needed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from support import ROOT
from support.tiny_network import WriteNetwork

from distillmatch_ros.engines import onnx_tensorrt, open_engine
from distillmatch_ros.engines.onnx import (
    CPU,
    CUDA,
    TELEMETRY_OFF,
    TENSORRT,
    OnnxEngine,
    open_on_cpu,
    open_on_cuda,
)
from distillmatch_ros.engines.onnx_tensorrt import open_built, tensorrt_version
from distillmatch_ros.engines.protocol import BackendMissingError, EngineNotBuiltError

PLAIN = ["AzureExecutionProvider", CPU]
GPU = [TENSORRT, CUDA, CPU]
OPENVINO = ["OpenVINOExecutionProvider", CPU]


class Wheel:
    """A wheel of ONNX Runtime with its providers, of which some work on this machine; computes on the CPU.

    Its TensorRT provider writes an engine into the folder of its cache where there is none, or fails.
    """

    def __init__(self, patch: pytest.MonkeyPatch, offered: Sequence[str], working: Sequence[str]) -> None:
        self.asked: list[list[str]] = []
        self.built: list[Path] = []
        self.fails = False
        wheel, session = self, onnxruntime.InferenceSession

        class Session(session):  # type: ignore[misc, valid-type]
            def __init__(
                self,
                path: str,
                options: Any,
                providers: list[tuple[str, dict[str, Any]]],
                enable_fallback: int,
            ) -> None:
                assert not enable_fallback, "it prints to stdout"
                names = [name for name, _ in providers]
                assert set(names) <= set(offered), "ONNX Runtime raises ValueError for any other"
                wheel.asked.append(names)
                super().__init__(path, options, [CPU])
                self._own = [name for name in names if name in working]
                if TENSORRT in self._own:
                    wheel._build(**providers[0][1])

            def get_providers(self) -> list[str]:
                return self._own

        def version(provider: Path) -> int:
            if TENSORRT not in working:
                raise BackendMissingError(f"{provider}: libnvinfer.so.10 is missing")
            return 101303

        patch.setattr(onnxruntime, "InferenceSession", Session)
        patch.setattr(onnxruntime, "get_available_providers", lambda: list(offered))
        patch.setattr(onnx_tensorrt, "tensorrt_version", version)

    def _build(
        self, trt_engine_cache_enable: bool, trt_engine_cache_path: str, trt_fp16_enable: bool
    ) -> None:
        engine = Path(trt_engine_cache_path, "TensorrtExecutionProvider_TRTKernel_sm87.engine")
        assert trt_engine_cache_enable and not trt_fp16_enable
        if not engine.exists():
            if self.fails:
                raise RuntimeError("out of memory")
            engine.write_bytes(b"engine")
            self.built.append(engine)


@pytest.fixture
def path(write_network: WriteNetwork) -> Path:
    return write_network()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_names_are_those_of_the_runtime() -> None:
    assert {CUDA, CPU, TENSORRT} <= set(onnxruntime.get_all_providers())


@pytest.mark.parametrize(
    ("offered", "working", "asked", "device"),
    [
        (PLAIN, [CPU], [[CPU]], "onnxruntime CPU, 1 thread"),
        (OPENVINO, OPENVINO, [[CPU]], "onnxruntime CPU, 1 thread"),
        (GPU, GPU, [[TENSORRT, CUDA, CPU]], "onnxruntime TensorRT"),
        (GPU, [CUDA, CPU], [[CUDA, CPU]], "onnxruntime CUDA"),  # listed, but its libraries are missing
        (GPU, [CPU], [[CUDA, CPU], [CPU]], "onnxruntime CPU, 1 thread"),  # no GPU, or no CUDA libraries
    ],
    ids=["plain wheel", "OpenVINO's wheel", "TensorRT", "CUDA", "no GPU"],
)
def test_backend_onnx(
    offered: list[str],
    working: list[str],
    asked: list[list[str]],
    device: str,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = Wheel(monkeypatch, offered, working)
    assert open_engine(path, "onnx", threads=1).info.device == device
    assert wheel.asked == asked


def test_auto_takes_cuda_and_builds_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Wheel(monkeypatch, GPU, GPU)
    assert open_engine(path, threads=1).info.device == "onnxruntime CUDA"
    with pytest.raises(EngineNotBuiltError, match="the backend onnx builds one, for minutes"):
        open_built(path, 1)
    assert not wheel.built


def test_an_engine_is_built_once_for_each_network(
    write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wheel, path = Wheel(monkeypatch, GPU, GPU), write_network()
    for _ in range(2):
        assert open_engine(path, "onnx", threads=1).info.device == "onnxruntime TensorRT"
    assert open_built(path, 1).provider == TENSORRT
    assert len(wheel.built) == 1 and caplog.text.count("takes minutes, once") == 1
    write_network(weights_sha256="1" * 64)  # the same graph and the same path, with other weights
    open_engine(path, "onnx", threads=1)
    assert len(wheel.built) == 2


def test_a_build_that_fails_leaves_no_engine_and_cuda_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wheel = Wheel(monkeypatch, GPU, GPU)
    wheel.fails = True
    assert open_engine(path, "onnx", threads=1).info.device == "onnxruntime CUDA"
    assert "out of memory" in caplog.text
    wheel.fails = False
    assert open_engine(path, "onnx", threads=1).info.device == "onnxruntime TensorRT"


@pytest.mark.parametrize(
    ("content", "missing"),
    [(b"\0libnvinfer.so.999\0libnvonnxparser.so.999\0", "libnvinfer.so.999"), (b"", "libnvinfer")],
    ids=["that are not here", "none"],
)
def test_the_libraries_that_the_provider_names_are_loaded(
    content: bytes, missing: str, tmp_path: Path
) -> None:
    provider = tmp_path / "provider.so"
    provider.write_bytes(content)
    with pytest.raises(BackendMissingError, match=missing):
        tensorrt_version(provider)


def test_the_version_is_that_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, name: str) -> None:
            self.getInferLibVersion = {"libnvinfer.so.10": lambda: 101303}.get(name)

    monkeypatch.setattr(onnx_tensorrt, "CDLL", Library)
    provider = tmp_path / "provider.so"
    provider.write_bytes(b"\0libnvonnxparser.so.10\0libnvinfer.so.10\0libcudart.so.13\0")
    assert tensorrt_version(provider) == 101303


def test_the_reference_stays_on_the_cpu(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Wheel(monkeypatch, GPU, GPU)
    assert OnnxEngine.open(path, 1).provider == open_on_cpu(path, 1).provider == CPU
    assert wheel.asked == [[CPU], [CPU]]


@pytest.mark.parametrize(("offered", "remedy"), [(PLAIN, "pip install onnxruntime-gpu"), (GPU, "cuDNN")])
def test_why_there_is_no_cuda(
    offered: list[str], remedy: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Wheel(monkeypatch, offered, [CPU])
    with pytest.raises(BackendMissingError, match=remedy):
        open_on_cuda(path, 1)


@pytest.mark.parametrize("closed", [False, True])
def test_a_processor_that_the_runtime_does_not_know_is_no_news(closed: bool, tmp_path: Path) -> None:
    said = b"cpuid_info warning: Unknown CPU vendor. cpuinfo_vendor value: 0\nlibrary: old\n"
    (tmp_path / "onnxruntime.py").write_text(
        f"import contextlib, os\nwith contextlib.suppress(OSError):\n    os.write(2, {said!r})\n"
    )
    program = "from distillmatch_ros.engines.onnx import import_runtime as load; print(load() is load())"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {"2>&-" * closed}', "sh", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "" if closed else "library: old\n")


def test_the_runtime_keeps_nothing_to_send(path: Path, tmp_path: Path) -> None:
    program = "import sys; from distillmatch_ros.engines import open_engine; open_engine(sys.argv[1], 'onnx')"
    environment = {name: value for name, value in os.environ.items() if name != TELEMETRY_OFF}
    subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**environment, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        check=True,
    )
    assert not list((tmp_path / "cache").rglob("*"))
