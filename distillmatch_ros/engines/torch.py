"""PyTorch: for machines that train, and to validate weights that are not exported yet."""

from pathlib import Path

import torch

from distillmatch_ros.engines.protocol import EngineInfo, Float32, Matches
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights


class TorchEngine:
    """A network run eagerly, on a GPU where there is one."""

    def __init__(self, network: DistillMatch, weights_hash: str = "", threads: int | None = None) -> None:
        """Take over a network, which is put into evaluation mode."""
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        config = network.config
        name = torch.cuda.get_device_name() if self._device.type == "cuda" else "CPU"
        self._info = EngineInfo(
            height=config.height,
            width=config.width,
            slots=config.slots,
            config=config.name,
            precision="fp32",
            weights_hash=weights_hash,
            device=f"torch {name}",
        )

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> "TorchEngine":
        """Load weights that training wrote.

        Raises:
            DistillMatchError: the file holds no weights of this project.
        """
        weights = Weights.load(path)
        return cls(weights.network(), weights.sha256(), threads)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> Matches:
        images = (torch.from_numpy(image)[None, None].to(self._device) for image in (visible, thermal))
        with torch.inference_mode():
            visible_points, thermal_points, confidence = (x[0].cpu().numpy() for x in self._network(*images))
        return Matches(visible_points, thermal_points, confidence)

    def close(self) -> None:
        del self._network
