"""Every name of TensorRT and CUDA that the program uses exists in real releases, and takes what it is given.

The real bindings are fetched by pip; stubs stand for TensorRT's libraries, which no registry holds, and let
the bindings load. What the program uses is what the doubles hold: the other tests run the program on them.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

STUBS = """
#define STUB(name) void *name(void) { return 0; }
STUB(createInferBuilder_INTERNAL) STUB(createInferRefitter_INTERNAL) STUB(createInferRuntime_INTERNAL)
STUB(getBuilderPluginRegistry) STUB(getPluginRegistry) STUB(createNvOnnxParser_INTERNAL)
STUB(createNvOnnxParserRefitter_INTERNAL) STUB(getNvOnnxParserVersion) STUB(initLibNvInferPlugins)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", ["10.3.0", "10.16.1.11", "11.4.0.106"])
def test_tensorrt(version: str, tmp_path: Path) -> None:
    fetch(f"tensorrt-cu12-bindings=={version}", tmp_path)
    compile_stubs(tmp_path, version.split(".")[0])
    found = inspect_bindings("tensorrt", tmp_path)
    assert found["version"] == version
    assert {"Builder", "BuilderFlag", "IExecutionContext", "ILogger", "Runtime"} <= set(found["checked"])
    assert found["mismatches"] == []
    assert found["accepted"]
    assert found["goes_on"] is False
    first, second = found["rejections"]
    assert first.startswith("TensorRT does not start (libraries are stubs)")
    assert second.startswith("TensorRT does not start (TensorRT gives no reason)")


@pytest.mark.parametrize("version", ["12.8.0", "12.9.4", "13.0.3"])
def test_cuda(version: str, tmp_path: Path) -> None:
    fetch(f"cuda-bindings=={version}", tmp_path)
    found = inspect_bindings("cuda", tmp_path)
    assert {"cudaGraphLaunch", "cudaMemcpyKind", "cudaError_t"} <= set(found["checked"])
    assert found["mismatches"] == []
    assert found["gpu"]  # a name where there is a GPU, "no CUDA device" elsewhere; never a crash


def fetch(requirement: str, folder: Path) -> None:
    """Install a package into a folder; versions of one package cannot stand side by side otherwise."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary=:all:",
            "--target",
            folder,
            requirement,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{requirement} cannot be had: {done.stderr.strip().splitlines()[-1:]}")


def compile_stubs(folder: Path, major: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = folder / "stubs.c"
    source.write_text(STUBS)
    for library in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
        target = folder / f"lib{library}.so.{major}"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source], check=True)


def inspect_bindings(which: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "support.bindings", which],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT / "test", ROOT))),
            "LD_LIBRARY_PATH": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
