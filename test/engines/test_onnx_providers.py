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

from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx import CPU, CUDA, OnnxEngine, open_on_cuda
from distillmatch_ros.engines.protocol import BackendMissingError

TENSORRT = "TensorrtExecutionProvider"
PLAIN = ["AzureExecutionProvider", CPU]
GPU = [TENSORRT, CUDA, CPU]
OPENVINO = ["OpenVINOExecutionProvider", CPU]


class Wheel:
    """A wheel of ONNX Runtime with its providers, of which some work on this machine; computes on the CPU."""

    def __init__(self, patch: pytest.MonkeyPatch, offered: Sequence[str], working: Sequence[str]) -> None:
        self.asked: list[list[str]] = []
        asked, session = self.asked, onnxruntime.InferenceSession

        class Session(session):  # type: ignore[misc, valid-type]
            def __init__(self, path: str, options: Any, providers: list[str]) -> None:
                assert set(providers) <= set(offered), "ONNX Runtime raises ValueError for any other"
                asked.append(providers)
                super().__init__(path, options, [CPU])
                self._own = [name for name in providers if name in working]

            def get_providers(self) -> list[str]:
                return self._own

        patch.setattr(onnxruntime, "InferenceSession", Session)
        patch.setattr(onnxruntime, "get_available_providers", lambda: list(offered))


@pytest.fixture
def path(write_network: WriteNetwork) -> Path:
    return write_network()


def test_names_are_those_of_the_runtime() -> None:
    assert {CUDA, CPU, TENSORRT} <= set(onnxruntime.get_all_providers())


@pytest.mark.parametrize(
    ("offered", "working", "asked", "device"),
    [
        (PLAIN, [CPU], [[CPU]], "onnxruntime CPU, 1 thread"),
        (OPENVINO, OPENVINO, [[CPU]], "onnxruntime CPU, 1 thread"),
        (GPU, GPU, [[CUDA, CPU]], "onnxruntime CUDA"),
        (GPU, [CUDA, CPU], [[CUDA, CPU]], "onnxruntime CUDA"),
        (GPU, [CPU], [[CUDA, CPU], [CPU]], "onnxruntime CPU, 1 thread"),  # no GPU, or no CUDA libraries
    ],
    ids=["plain wheel", "OpenVINO's wheel", "TensorRT too", "CUDA", "no GPU"],
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


def test_the_reference_stays_on_the_cpu(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Wheel(monkeypatch, GPU, GPU)
    assert not OnnxEngine.open(path, 1, gpu=False).on_gpu
    assert wheel.asked == [[CPU]]


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
