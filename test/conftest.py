"""Fixtures that more than one test module needs."""

from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, settings
from support.tiny_network import WriteNetwork, write_tiny

from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.scene import SyntheticPair, render_pair

# How fast an example runs says something about the machine, not about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture
def write_network(tmp_path: Path) -> WriteNetwork:
    """Writes a real ONNX network; keywords change its metadata, None leaves a key out."""

    def write(graph: onnx.GraphProto | None = None, **changes: str | None) -> Path:
        return write_tiny(tmp_path / "tiny.onnx", graph, **changes)

    return write


@pytest.fixture
def tiny_config() -> ModelConfig:
    """Every block, as small as it goes."""
    return ModelConfig(
        name="tiny",
        height=64,
        width=96,
        max_matches=16,
        texture_widths=(8, 16, 32),
        texture_blocks=(1, 1, 1),
        semantic_width=32,
        semantic_depth=1,
        modality_depth=1,
        coarse_layers=1,
        heads=2,
        token_stride=2,
        fine_widths=(16, 8),
        temperature=0.1,
        coarse_threshold=0.0,
        fine_threshold=0.0,
        border=1,
    )


@pytest.fixture(scope="session")
def day() -> SyntheticPair:
    return render_pair(1)


@pytest.fixture(scope="session")
def night() -> SyntheticPair:
    return render_pair(1, night=True)
