import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.cuda_double import CudaDouble
from support.tensorrt_double import TensorRtDouble
from support.tiny_network import HEIGHT, WIDTH, WriteNetwork, tiny_graph

from distillmatch_ros import engines
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.model.config import ModelConfig


def grey(level: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), level, np.float32)


def test_info_comes_from_the_metadata(write_network: WriteNetwork) -> None:
    path = write_network(weights_sha256="ab" * 32, precision="fp16")
    engine = open_engine(path, backend="onnx", threads=1)
    info = engine.info
    assert (info.height, info.width, info.max_matches) == (HEIGHT, WIDTH, 100)
    assert (info.config, info.precision, info.weights_hash) == ("tiny", "fp16", "ab" * 32)
    assert info.device == "onnxruntime CPU, 1 thread"


def test_each_image_goes_to_its_own_input(write_network: WriteNetwork) -> None:
    engine = open_engine(write_network(), backend="onnx", threads=2)
    matches = engine(grey(0.25), grey(0.75))
    assert matches.visible_points.shape == matches.thermal_points.shape == (100, 2)
    assert matches.confidence.dtype == matches.visible_points.dtype == np.float32
    np.testing.assert_allclose(matches.confidence[:3], [0.25, 0.75, 0.9], atol=1e-6)
    np.testing.assert_allclose(matches.visible_points[[0, -1]], [[4, 4], [WIDTH - 4, HEIGHT - 4]])
    engine.close()


def assert_device(program: str, network: Path) -> None:
    """In a process of its own a program prints the device of an engine that it opens, and nothing else."""
    command = [sys.executable, "-c", program, str(network)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("onnxruntime CPU, 1 thread", "")


def test_threads_default_to_the_cores_of_this_process(write_network: WriteNetwork) -> None:
    command = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from pathlib import Path; from distillmatch_ros.engines import open_engine;"
        "print(open_engine(Path(sys.argv[1]), backend='onnx').info.device)"
    )
    assert_device(command, write_network())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": None, "height": None}, "metadata lacks schema, height"),
        ({"config": None}, "metadata lacks config"),
        ({"schema": "2"}, "schema is '2'"),
        ({"modality_order": "thermal,visible"}, "modality order is 'thermal,visible'"),
        ({"height": "tall"}, "height 'tall'"),
        ({"max_matches": "0"}, "max_matches '0'"),
        ({"width": "96"}, "inputs are"),
        ({"max_matches": "99"}, "outputs are"),
    ],
)
def test_metadata_that_is_not_ours(
    write_network: WriteNetwork, changes: dict[str, str | None], reason: str
) -> None:
    path = write_network(**changes)
    with pytest.raises(DistillMatchError) as caught:
        open_engine(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "distillmatch export" in message


def test_other_input_and_output_names(write_network: WriteNetwork) -> None:
    path = write_network(tiny_graph(prefix="left_"))
    with pytest.raises(DistillMatchError, match="left_visible"):
        open_engine(path)


def test_network_without_metadata(write_network: WriteNetwork, tmp_path: Path) -> None:
    model = onnx.load(write_network())
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(DistillMatchError, match=r"foreign\.onnx: not a DistillMatch network"):
        open_engine(tmp_path / "foreign.onnx")


@pytest.mark.parametrize("content", [b"", b"not a network at all"])
def test_file_that_is_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(
        DistillMatchError, match=r"model\.onnx: ONNX Runtime cannot load it .*; use the shipped"
    ):
        open_engine(path)


def test_truncated_network(write_network: WriteNetwork) -> None:
    path = write_network()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DistillMatchError, match=r"cannot load it|not a DistillMatch network"):
        open_engine(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(DistillMatchError, match="no such model file"):
            open_engine(path)


def test_unknown_backend_suffix_and_threads(write_network: WriteNetwork, tmp_path: Path) -> None:
    path = write_network()
    with pytest.raises(DistillMatchError, match="'ncnn' is unknown; choose auto, onnx"):
        open_engine(path, backend="ncnn")
    with pytest.raises(DistillMatchError, match="0 threads"):
        open_engine(path, threads=0)
    renamed = path.rename(tmp_path / "tiny.bin")
    with pytest.raises(DistillMatchError, match=r"suffix '\.bin' does not tell"):
        open_engine(renamed)
    assert isinstance(open_engine(renamed, backend="onnx"), OnnxEngine)


def test_weights_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "distillmatch_ros.engines.torch", raising=False)
    path = tmp_path / "light.safetensors"
    path.write_bytes(b"weights")
    with pytest.raises(DistillMatchError, match="PyTorch is not installed"):
        open_engine(path)


def test_importing_the_package_loads_no_runtime() -> None:
    command = "import distillmatch_ros, sys; print({'onnxruntime', 'torch', 'onnx'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "set()"


def test_openvino_that_is_not_installed_is_one_line(
    without_openvino: None, write_network: WriteNetwork
) -> None:
    with pytest.raises(
        DistillMatchError, match=r"OpenVINO is not installed here .*distillmatch_ros\[openvino\]"
    ) as caught:
        open_engine(write_network(), backend="openvino")
    assert "\n" not in str(caught.value)


@pytest.fixture
def nvidia(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU of NVIDIA, as its devices tell."""
    monkeypatch.setattr(engines, "_has_nvidia_gpu", lambda: True)


def test_without_a_gpu_of_nvidia_auto_does_not_speak_of_tensorrt(
    without_tensorrt: None,
    write_network: WriteNetwork,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "_has_nvidia_gpu", lambda: False)
    caplog.set_level(logging.INFO)
    open_engine(write_network(), threads=1)
    assert "runs on" in caplog.text
    for word in ("TensorRT", "CUDA"):
        assert word not in caplog.text


def test_auto_says_once_why_it_is_not_tensorrt(
    nvidia: None,
    without_tensorrt: None,
    without_openvino: None,
    write_network: WriteNetwork,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert open_engine(write_network(), threads=1).info.device == "onnxruntime CPU, 1 thread"
    [record] = caplog.records
    assert record.levelno == logging.INFO
    assert "runs on onnxruntime CPU, 1 thread; TensorRT is skipped" in record.getMessage()
    with pytest.raises(
        DistillMatchError, match=r"not installed here .* pip install 'distillmatch_ros\[tensorrt\]'"
    ):
        open_engine(write_network(), backend="tensorrt")


@pytest.mark.parametrize(
    ("state", "level", "reason"),
    [
        ("no device", logging.INFO, "no CUDA device"),
        ("too old", logging.INFO, "TensorRT 8.6.1 is too old"),
        ("not built", logging.WARNING, "`distillmatch build-engine` builds one"),
        ("does not load", logging.WARNING, "TensorRT cannot load it"),
    ],
)
def test_auto_never_fails_because_tensorrt_does(
    nvidia: None,
    trt: TensorRtDouble,
    cuda: CudaDouble,
    without_openvino: None,
    write_network: WriteNetwork,
    caplog: pytest.LogCaptureFixture,
    state: str,
    level: int,
    reason: str,
) -> None:
    network = write_network()
    if state == "no device":
        cuda.devices = 0
    elif state == "too old":
        trt.__version__ = "8.6.1"
    elif state == "does not load":
        open_engine(network, backend="tensorrt")
        trt.broken.add("deserialize_cuda_engine")
    caplog.clear()
    caplog.set_level(logging.INFO)
    assert open_engine(network, threads=1).info.device.startswith("onnxruntime")
    [record] = caplog.records
    assert record.levelno == level
    assert reason in record.getMessage()


def test_libraries_that_do_not_load_are_missing_libraries(
    without_openvino: None, write_network: WriteNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python package is there; its import fails as it does where libnvinfer is not."""
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tensorrt", "distillmatch_ros.engines.tensorrt"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    pytest.importorskip("cuda.bindings.runtime")
    assert isinstance(open_engine(write_network(), threads=1), OnnxEngine)
    with pytest.raises(DistillMatchError, match=r"libnvinfer\.so\.10"):
        open_engine(write_network(), backend="tensorrt")


def test_torch_runs_the_weights_beside_an_exported_network(
    write_network: WriteNetwork, tiny_config: ModelConfig
) -> None:
    torch = pytest.importorskip("torch")
    from distillmatch_ros.model.network import DistillMatch
    from distillmatch_ros.model.weights import Weights

    with pytest.raises(DistillMatchError, match=r"tiny\.pt: no such file"):
        open_engine(write_network(), backend="torch")
    torch.manual_seed(0)
    weights = Weights(tiny_config, DistillMatch(tiny_config).state_dict(), steps=0)
    saved = write_network().with_suffix(".pt")
    weights.save(saved)
    with pytest.raises(DistillMatchError, match=r"tiny\.pt: other weights than those tiny\.onnx"):
        open_engine(write_network(), backend="torch")
    engine = open_engine(write_network(weights_sha256=Weights.load(saved).sha256()), backend="torch")
    assert engine.info.device.startswith("torch")


def test_torch_with_a_cuda_graph_agrees_with_the_network_run_eagerly(tiny_config: ModelConfig) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    from distillmatch_ros.engines.torch import TorchEngine
    from distillmatch_ros.model.network import DistillMatch

    torch.manual_seed(0)
    network = DistillMatch(tiny_config)
    engine = TorchEngine(network)
    assert engine._graph is not None
    for seed in range(3):
        size = (2, tiny_config.height, tiny_config.width)
        images = np.random.default_rng(seed).random(size, np.float32)
        found = engine(*images)
        with torch.inference_mode():
            on_gpu = (torch.from_numpy(image)[None, None].cuda() for image in images)
            expected = [value[0].cpu().numpy() for value in network(*on_gpu)]
        for got, wanted in zip(
            (found.visible_points, found.thermal_points, found.confidence), expected, strict=True
        ):
            np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_the_package_works_with_onnx_runtime_alone(write_network: WriteNetwork) -> None:
    """In a process of its own, in which nothing of either can be imported."""
    program = (
        "import sys\n"
        "absent = ('tensorrt', 'cuda', 'cuda.bindings', 'onnx', 'openvino', 'torch')\n"
        "sys.modules |= dict.fromkeys(absent)\n"
        "from pathlib import Path\n"
        "from distillmatch_ros.engines import open_engine\n"
        "print(open_engine(Path(sys.argv[1]), threads=1).info.device)\n"
    )
    assert_device(program, write_network())
