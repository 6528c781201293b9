"""ONNX Runtime: the embedded default."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from distillmatch_ros.engines.protocol import MODALITY_ORDER, SCHEMA, EngineInfo, Float32, Matches
from distillmatch_ros.errors import DistillMatchError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

REQUIRED = (
    *("schema", "height", "width", "slots", "modality_order"),
    *("config_name", "config", "weights_sha256", "precision"),
)
EXPORT_AGAIN = "use the shipped models/light.onnx, or export the weights again with `distillmatch export`"


class OnnxEngine:
    """A network in ONNX Runtime, on CUDA where the runtime offers it, else on the CPU."""

    def __init__(self, session: "InferenceSession", info: EngineInfo) -> None:
        self._session = session
        self._info = info

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> "OnnxEngine":
        """Load an exported network and check that it keeps the engine contract.

        Raises:
            DistillMatchError: the file is missing, not ONNX, or not this network.
        """
        import onnxruntime  # 0.2 s that only a process which opens an engine should pay

        threads = threads or _available_cores()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: its warnings mean nothing to a user
        offered = onnxruntime.get_available_providers()
        providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in offered]
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers)
        except Exception as error:  # each of the runtime's errors derives from Exception itself
            raise DistillMatchError(
                f"{path}: ONNX Runtime cannot load it ({str(error).splitlines()[0]}); {EXPORT_AGAIN}"
            ) from error
        on_gpu = session.get_providers()[0] == "CUDAExecutionProvider"
        device = "onnxruntime CUDA" if on_gpu else f"onnxruntime CPU, {threads} thread{'s' * (threads > 1)}"
        info = _read_info(path, session.get_modelmeta().custom_metadata_map, device)
        _check_signature(path, session, info)
        return cls(session, info)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> Matches:
        visible_points, thermal_points, confidence = self._session.run(
            ["visible_points", "thermal_points", "confidence"],
            {"visible": visible[None, None], "thermal": thermal[None, None]},
        )
        return Matches(visible_points[0], thermal_points[0], confidence[0])

    def close(self) -> None:
        del self._session


def _available_cores() -> int:
    """The cores this process may run on; the runtime's own default ignores a container's share."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_info(path: Path, metadata: dict[str, str], device: str) -> EngineInfo:
    def refuse(reason: str) -> DistillMatchError:
        return DistillMatchError(f"{path}: {reason}; {EXPORT_AGAIN}")

    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        raise refuse(f"not a DistillMatch network (its metadata lacks {', '.join(missing)})")
    if metadata["schema"] != SCHEMA:
        raise refuse(f"its metadata schema is {metadata['schema']!r} and this version reads {SCHEMA!r}")
    if metadata["modality_order"] != MODALITY_ORDER:
        raise refuse(f"its modality order is {metadata['modality_order']!r} instead of {MODALITY_ORDER!r}")
    sizes = {key: metadata[key] for key in ("height", "width", "slots")}
    for key, value in sizes.items():
        if not value.isdecimal() or int(value) < 1:
            raise refuse(f"its metadata says {key} {value!r}, which is not a positive integer")
    return EngineInfo(
        height=int(sizes["height"]),
        width=int(sizes["width"]),
        slots=int(sizes["slots"]),
        config=metadata["config_name"],
        precision=metadata["precision"],
        weights_hash=metadata["weights_sha256"],
        device=device,
    )


def _check_signature(path: Path, session: "InferenceSession", info: EngineInfo) -> None:
    image = ("tensor(float)", [1, 1, info.height, info.width])
    points = ("tensor(float)", [1, info.slots, 2])
    confidence = ("tensor(float)", [1, info.slots])
    expected_inputs = {"visible": image, "thermal": image}
    expected_outputs = {"visible_points": points, "thermal_points": points, "confidence": confidence}
    for role, nodes, expected in (
        ("inputs", session.get_inputs(), expected_inputs),
        ("outputs", session.get_outputs(), expected_outputs),
    ):
        found = _signature(nodes)
        if found != expected:
            raise DistillMatchError(f"{path}: its {role} are {found} instead of {expected}; {EXPORT_AGAIN}")


def _signature(nodes: "list[NodeArg]") -> dict[str, tuple[str, list[int | str | None]]]:
    return {node.name: (node.type, node.shape) for node in nodes}
