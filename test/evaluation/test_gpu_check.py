"""The check for machines with a GPU, rehearsed where there is none: each variant has a result."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from support.tiny_network import write_tiny


@pytest.mark.slow
@pytest.mark.parametrize("rehearse", [True, False])
def test_each_variant_has_a_result(rehearse: bool, tmp_path: Path) -> None:
    if not rehearse and Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    model = write_tiny(tmp_path / "tiny.onnx")
    command = [sys.executable, str(ROOT / "tools/gpu_check.py"), str(tmp_path / "out"), "--model", str(model)]
    done = subprocess.run(
        [*command, *["--rehearse"] * rehearse], capture_output=True, text=True, check=False, timeout=250
    )
    record = json.loads((tmp_path / "out/gpu_check.json").read_text())
    states = {each["variant"]: each["state"] for each in record["results"]}
    assert record["rehearsal"] is rehearse
    assert states.pop("ONNX Runtime CUDA, single") == ("ok" if rehearse else "absent"), done.stdout
    assert set(states.values()) == {"absent"}  # no weights, no half-precision graph, no TensorRT
    assert done.returncode == (not rehearse)
    assert (tmp_path / "out/gpu_check.md").read_text() == done.stdout


def test_time_that_is_over_begins_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/gpu_check.py"), str(tmp_path), "--seconds", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    results = json.loads((tmp_path / "gpu_check.json").read_text())["results"]
    assert {each["state"] for each in results} == {"no time"}


def test_a_python_without_the_packages_is_told(tmp_path: Path) -> None:
    """Without what is installed, as a system's own is."""
    command = [sys.executable, "-I", "-S", str(ROOT / "tools/gpu_check.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 2
    assert "PYTHON=" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
