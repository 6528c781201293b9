"""OpenVINO, the fastest engine on Intel and AMD CPUs."""

import hashlib
import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

import openvino

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import cache_folder, locked, write_text, writing
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.engines.metadata import EXPORT_AGAIN, Signature
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.protocol import BackendMissingError, EngineInfo, Float32, RawMatches

_CPU = "CPU"
_PRECISION = "INFERENCE_PRECISION_HINT"

_log = logging.getLogger(__name__)


class OpenVinoEngine:
    """A network in OpenVINO on the CPU: in bfloat16 if the CPU supports it natively, else in float32."""

    def __init__(self, compiled: openvino.CompiledModel, info: EngineInfo) -> None:
        self._request = compiled.create_infer_request()
        self._info = info

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> "OpenVinoEngine":
        """Compile an exported network, or load the compiled one from the user's cache folder.

        Args:
            path: the ONNX file.
            threads: CPU threads; by default one for each core this process may use.

        Raises:
            BackendMissingError: the network is quantised, and this CPU has no bfloat16.
            DistillMatchError: the file is missing, not ONNX, or not this network.
        """
        network, core = OnnxFile.read(path), _core()
        threads = threads or usable_cores()
        # OpenVINO selects bfloat16 if the CPU has AVX512-BF16 or AMX.
        bfloat16 = core.get_property(_CPU, _PRECISION) == openvino.Type.bf16
        quantised = network.info.precision == "int8"
        if quantised and not bfloat16:
            raise BackendMissingError(
                f"{path}: OpenVINO runs int8 networks only on CPUs with bfloat16, which this one lacks; "
                "use the fp32 network, or the backend onnx"
            )
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # With pinning, the threads of all processes would compete for the first cores.
            "ENABLE_CPU_PINNING": False,
            _PRECISION: "bf16" if bfloat16 else "f32",
        }
        try:
            compiled = _compile(core, network, options)
        # The only exception that OpenVINO raises, or its message cannot be decoded: it quotes a damaged file.
        except (RuntimeError, UnicodeDecodeError) as error:
            quoted = error.object if isinstance(error, UnicodeDecodeError) else str(error).encode()
            text = quoted.decode(errors="backslashreplace")
            reason = text.strip().splitlines()[-1]
            raise DistillMatchError(f"{path}: OpenVINO cannot load it ({reason}); {EXPORT_AGAIN}") from error
        _check_signature(path, compiled, Signature.of(network.info))
        precision = "int8" if quantised else "bf16" if bfloat16 else "fp32"
        device = f"openvino CPU, {threads} thread{'s' * (threads > 1)}"
        return cls(compiled, replace(network.info, precision=precision, device=device))

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        # Copies: the next pair overwrites the runtime's buffers.
        found = self._request.infer(
            {"visible": visible[None, None], "thermal": thermal[None, None]}, share_inputs=True
        )
        return RawMatches(found["visible_points"][0], found["thermal_points"][0], found["confidence"][0])

    def close(self) -> None:
        del self._request


@cache
def _core() -> openvino.Core:
    """The process's only `Core`, never destroyed.

    Each `Core` installs an alternate signal stack in the thread that creates it, and removes the current one
    on destruction, which may belong to another `Core`: after two were destroyed Ctrl-C causes a segmentation
    fault.
    """
    return openvino.Core()


def _compile(core: openvino.Core, network: OnnxFile, options: dict[str, object]) -> openvino.CompiledModel:
    """Compile with the cache, or without it if it cannot be written.

    Concurrent writers would interfere: the folder is locked. OpenVINO notices a cached file that is cut off,
    and not one with flipped weights, with which it computes: each has a checksum beside it.
    """
    model = core.read_model(network.data)
    identity = repr((network.sha256(), openvino.__version__, core.get_property(_CPU, "FULL_DEVICE_NAME")))
    folder = cache_folder() / "openvino" / hashlib.sha256(identity.encode()).hexdigest()[:16]
    try:
        with locked(folder, "another process is compiling the network; waiting for it", logging.INFO):
            _remove_damaged(folder)
            compiled = core.compile_model(model, _CPU, {**options, "CACHE_DIR": str(folder)})
            _add_checksums(folder)
            return compiled
    except DistillMatchError as error:
        _log.warning("the compiled network is not cached: %s", error)
        return core.compile_model(model, _CPU, options)


def _remove_damaged(folder: Path) -> None:
    """Remove cached files that are not what was written; raises DistillMatchError if they cannot be."""
    with writing(folder):
        for compiled, checksum in _cached(folder):
            if not checksum.is_file() or checksum.read_bytes() != _checksum(compiled):
                compiled.unlink()
                checksum.unlink(missing_ok=True)


def _add_checksums(folder: Path) -> None:
    with writing(folder):
        for compiled, checksum in _cached(folder):
            if not checksum.is_file():
                write_text(checksum, _checksum(compiled).decode())


def _cached(folder: Path) -> list[tuple[Path, Path]]:
    """Each compiled network with the file of its checksum."""
    return [(compiled, compiled.with_suffix(".sha256")) for compiled in folder.glob("*.blob")]


def _checksum(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


def _check_signature(path: Path, compiled: openvino.CompiledModel, expected: Signature) -> None:
    for role, ports, shapes in (
        ("inputs", compiled.inputs, expected.inputs),
        ("outputs", compiled.outputs, expected.outputs),
    ):
        # A tensor has several names if outputs are identical.
        found = {
            name: (port.element_type.to_string(), tuple(port.shape)) for port in ports for name in port.names
        }
        wanted = {name: ("f32", shape) for name, shape in shapes.items()}
        if len(ports) != len(wanted) or not wanted.items() <= found.items():
            raise DistillMatchError(f"{path}: its {role} are {found} instead of {shapes}; {EXPORT_AGAIN}")
