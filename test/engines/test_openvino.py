"""The real OpenVINO on this CPU; skipped where it is not installed."""

import logging
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.tiny_network import HEIGHT, WIDTH, WriteNetwork, tiny_graph

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.registration.registrar import SHIPPED_MODEL, Registrar
from distillmatch_ros.scene import SyntheticPair

pytest.importorskip("openvino")

from distillmatch_ros.engines import openvino
from distillmatch_ros.engines.openvino import OpenVinoEngine

PROGRAM = (
    "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    "from pathlib import Path; from distillmatch_ros.engines import open_engine;"
    "print(open_engine(Path(sys.argv[1]), backend='openvino').info.device)"
)
"""Says what it runs on, in a process that may use one core."""
X86 = platform.machine() in ("x86_64", "AMD64")


def grey(level: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), level, np.float32)


def test_each_image_goes_to_its_own_input(write_network: WriteNetwork) -> None:
    engine = OpenVinoEngine.open(write_network(weights_sha256="ab" * 32), threads=1)
    assert (engine.info.height, engine.info.width, engine.info.max_matches) == (HEIGHT, WIDTH, 100)
    assert (engine.info.config, engine.info.weights_hash) == ("tiny", "ab" * 32)
    assert engine.info.device == "openvino CPU, 1 thread"
    first = engine(grey(0.25), grey(0.75))
    assert first.visible_points.shape == first.thermal_points.shape == (100, 2)
    assert first.confidence.dtype == first.visible_points.dtype == np.float32
    np.testing.assert_allclose(first.confidence[:3], [0.25, 0.75, 0.9], atol=4e-3)
    engine(grey(0.5), grey(0.5))
    np.testing.assert_allclose(first.confidence[:2], [0.25, 0.75], atol=4e-3)
    engine.close()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists() or not X86, reason="needs the flags of an x86 CPU")
def test_bfloat16_is_taken_by_the_flags_of_the_cpu(write_network: WriteNetwork) -> None:
    flags = set(re.findall(r"^flags\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[0].split())
    expected = "bf16" if flags & {"avx512_bf16", "amx_bf16"} else "fp32"
    assert OpenVinoEngine.open(write_network(), threads=1).info.precision == expected


@pytest.mark.slow
def test_the_shipped_network_registers_as_in_onnx_runtime(day: SyntheticPair) -> None:
    model = resources.find(SHIPPED_MODEL)
    found, expected = (
        Registrar(engine).register(day.visible, day.thermal)
        for engine in (OpenVinoEngine.open(model), OnnxEngine.open(model))
    )
    assert found.status is expected.status
    assert found.inliers.sum() > 0.7 * expected.inliers.sum()
    assert found.homography is not None and expected.homography is not None
    np.testing.assert_allclose(found.homography[:2, 2], expected.homography[:2, 2], atol=2.0)


def test_auto_takes_it_where_tensorrt_is_not(
    without_tensorrt: None, write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert isinstance(open_engine(write_network()), OpenVinoEngine)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert isinstance(open_engine(write_network()), OnnxEngine)
    assert isinstance(open_engine(write_network(), backend="openvino"), OpenVinoEngine)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": "2"}, "schema is '2'"),
        ({"width": "96"}, "inputs are"),
        ({"max_matches": "99"}, "outputs are"),
    ],
)
def test_networks_that_are_not_ours(
    write_network: WriteNetwork, changes: dict[str, str], reason: str
) -> None:
    path = write_network(**changes)
    with pytest.raises(DistillMatchError, match=re.escape(f"{path}: ")) as caught:
        OpenVinoEngine.open(path)
    assert reason in str(caught.value) and "distillmatch export" in str(caught.value)


def test_a_graph_that_openvino_cannot_read(write_network: WriteNetwork) -> None:
    graph = tiny_graph()
    graph.node[2].op_type = "NoSuchOperator"
    path = write_network(graph)
    for name in (b"NoSuchOperator", b"NoSuch\x8dperator"):  # the second is no text
        path.write_bytes(path.read_bytes().replace(b"NoSuchOperator", name))
        with pytest.raises(DistillMatchError, match="OpenVINO cannot load it") as caught:
            OpenVinoEngine.open(path)
        assert "\n" not in str(caught.value)


def test_quantised_networks_need_bfloat16(
    write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU's answer is replaced; all else is real."""
    path = write_network(precision="int8")

    def says(precision: str) -> None:
        real = openvino.openvino.Core.get_property
        answer = getattr(openvino.openvino.Type, precision)
        monkeypatch.setattr(
            openvino.openvino.Core,
            "get_property",
            lambda core, device, name: (
                answer if name == "INFERENCE_PRECISION_HINT" else real(core, device, name)
            ),
        )

    says("bf16")
    assert OpenVinoEngine.open(path).info.precision == "int8"
    says("f32")
    with pytest.raises(DistillMatchError, match="only on CPUs with bfloat16"):
        OpenVinoEngine.open(path)
    assert isinstance(open_engine(path), OnnxEngine)


def test_threads_are_not_pinned(write_network: WriteNetwork) -> None:
    """Else the workers of `bag --jobs` would take turns on one core."""
    engine = OpenVinoEngine.open(write_network(), threads=1)
    assert engine._request.get_compiled_model().get_property("ENABLE_CPU_PINNING") is False


def compiled_networks(cache_folder: Path) -> list[Path]:
    return sorted(cache_folder.glob("openvino/*/*.blob"))


def test_what_was_compiled_is_kept_by_content(write_network: WriteNetwork, cache_folder: Path) -> None:
    open_engine(write_network(), backend="openvino")
    [blob] = compiled_networks(cache_folder)
    written = blob.stat().st_mtime_ns
    open_engine(write_network(), backend="openvino")
    assert compiled_networks(cache_folder) == [blob] and blob.stat().st_mtime_ns == written
    open_engine(write_network(weights_sha256="cd" * 32), backend="openvino")
    assert len(compiled_networks(cache_folder)) == 2


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_damaged_cache_is_made_again(
    write_network: WriteNetwork, cache_folder: Path, content: bytes | None
) -> None:
    path = write_network()
    expected = open_engine(path, backend="openvino")(grey(0.25), grey(0.75))
    [blob] = compiled_networks(cache_folder)
    damaged = blob.read_bytes()[: blob.stat().st_size // 2] if content is None else content
    blob.chmod(0o600)
    blob.write_bytes(damaged)
    found = open_engine(path, backend="openvino")(grey(0.25), grey(0.75))
    np.testing.assert_array_equal(found.confidence, expected.confidence)


def test_flipped_weights_in_the_cache_are_made_again(write_network: WriteNetwork, cache_folder: Path) -> None:
    """OpenVINO loads them, and computes other matches."""
    path = write_network()
    expected = open_engine(path, backend="openvino")(grey(0.25), grey(0.75))
    [blob] = compiled_networks(cache_folder)
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 4] ^= 0x40
    blob.chmod(0o600)
    blob.write_bytes(damaged)
    found = open_engine(path, backend="openvino")(grey(0.25), grey(0.75))
    np.testing.assert_array_equal(found.confidence, expected.confidence)
    [blob] = compiled_networks(cache_folder)
    assert blob.read_bytes() != damaged


def test_a_cache_that_cannot_be_written_costs_time_only(
    write_network: WriteNetwork, cache_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache_folder.parent.mkdir(parents=True)
    cache_folder.write_text("a file stands where the folder should be")
    caplog.set_level(logging.WARNING)
    engine = open_engine(write_network(), backend="openvino")
    assert engine(grey(0.25), grey(0.75)).confidence[2] == pytest.approx(0.9, abs=4e-3)
    assert "the compiled network is not cached" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_processes_that_open_at_once(write_network: WriteNetwork, cache_folder: Path) -> None:
    path = str(write_network())
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert {process.communicate(timeout=200)[0] for process in processes} == {"openvino CPU, 1 thread\n"}
    assert len(compiled_networks(cache_folder)) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_threads_default_to_the_cores_of_this_process(write_network: WriteNetwork) -> None:
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, str(write_network())], text=True)
    assert output == "openvino CPU, 1 thread\n"


def test_without_metadata(write_network: WriteNetwork, tmp_path: Path) -> None:
    model = onnx.load(write_network())
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(DistillMatchError, match=r"foreign\.onnx: not a DistillMatch network"):
        open_engine(tmp_path / "foreign.onnx", backend="openvino")


def test_ctrl_c_after_engines_that_were_open_together(write_network: WriteNetwork) -> None:
    """OpenVINO gives the thread a stack for signals, which must not be gone when one comes."""
    program = (
        "import signal, sys; from pathlib import Path; from distillmatch_ros.engines import open_engine;"
        "engines = [open_engine(Path(sys.argv[1]), backend='openvino') for _ in range(3)];"
        "[engines.pop(0).close() for _ in range(3)]; signal.raise_signal(signal.SIGINT)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(write_network())], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == -signal.SIGINT
    assert run.stderr.endswith("KeyboardInterrupt\n")
