"""PyTorch engine, for weights that are not exported yet."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.engines.onnx_file import OnnxFile, weights_path
from distillmatch_ros.engines.protocol import BackendMissingError, EngineInfo, Float32, RawMatches
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights

# Runs before a graph is captured: libraries select kernels and allocate memory in the first runs.
WARM_UP = 3

_log = logging.getLogger(__name__)


class TorchEngine:
    """A network in PyTorch: as a CUDA graph if there is a GPU, else eagerly."""

    def __init__(self, network: DistillMatch, weights_hash: str = "", threads: int | None = None) -> None:
        """Take a network and put it into evaluation mode; None keeps PyTorch's number of threads."""
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        config = network.config
        on_gpu = self._device.type == "cuda"
        self._info = EngineInfo(
            height=config.height,
            width=config.width,
            max_matches=config.max_matches,
            config=config.name,
            precision="fp32",
            weights_hash=weights_hash,
            device=f"torch {torch.cuda.get_device_name() if on_gpu else 'CPU'}",
        )
        self._images = torch.zeros(2, 1, 1, config.height, config.width, pin_memory=on_gpu)
        self._graph = _record(network, self._images) if on_gpu else None

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> "TorchEngine":
        """Load weights that training wrote.

        Args:
            path: the weights' file.
            threads: CPU threads; by default one for each core this process may use.

        Raises:
            DistillMatchError: the file holds no weights of this project.
        """
        weights = Weights.load(path)
        return cls(weights.network(), weights.sha256(), threads or usable_cores())

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        for place, image in zip(self._images, (visible, thermal), strict=True):
            place[0, 0] = torch.from_numpy(image)
        if self._graph is not None:
            packed = self._graph.replay(self._images)
        else:
            with torch.inference_mode():
                packed = _run(self._network, self._images.to(self._device))
        # A single copy from the GPU, which also synchronises; its memory is new for each pair.
        answer = packed.cpu().numpy()
        return RawMatches(answer[:, :2], answer[:, 2:4], answer[:, 4])

    def close(self) -> None:
        del self._network, self._graph


def open_weights(path: Path, threads: int | None = None) -> TorchEngine:
    """Open weights; for an ONNX file, the weights beside it.

    Raises:
        BackendMissingError: there are no weights beside the ONNX file.
        DistillMatchError: the weights are damaged, or belong to another network.
    """
    if path.suffix != ".onnx":
        return TorchEngine.open(path, threads)
    weights = weights_path(path)
    if not weights.is_file():
        raise BackendMissingError(f"{weights}: no such file; PyTorch runs weights, not {path.name}")
    engine = TorchEngine.open(weights, threads)
    if engine.info.weights_hash != OnnxFile.read(path).info.weights_hash:
        raise DistillMatchError(
            f"{weights}: other weights than those {path.name} was exported from; export it again"
        )
    return engine


class _Graph:
    """A network captured as a CUDA graph; input and output memory are fixed."""

    def __init__(self, network: DistillMatch, images: Tensor) -> None:
        """Capture the network.

        Args:
            network: on the GPU, in evaluation mode.
            images: float32 (2, 1, 1, H, W) on the GPU, the input of each replay.
        """
        self._images = images
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                _run(network, images)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._packed = _run(network, images)

    def replay(self, images: Tensor) -> Tensor:
        """Run the network on images in host memory; the next run overwrites the result."""
        self._images.copy_(images, non_blocking=True)
        self._graph.replay()
        return self._packed


def _record(network: DistillMatch, images: Tensor) -> _Graph | None:
    try:
        return _Graph(network, images.to("cuda"))
    except RuntimeError as error:
        _log.warning("running without a CUDA graph, which is slower: %s", str(error).splitlines()[0])
        return None


def _run(network: DistillMatch, images: Tensor) -> Tensor:
    """Images (2, 1, 1, H, W) -> (K, 5): visible x and y, thermal x and y, confidence."""
    visible_points, thermal_points, confidence = network(images[0], images[1])
    return torch.cat([visible_points[0], thermal_points[0], confidence[0, :, None]], dim=-1)
