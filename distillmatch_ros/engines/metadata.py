"""Metadata of an exported network, and the tensors that the engine contract requires."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import MODALITY_ORDER, SCHEMA, EngineInfo

REQUIRED = (
    *("schema", "height", "width", "max_matches", "modality_order"),
    *("config_name", "config", "weights_sha256", "precision"),
)
EXPORT_AGAIN = "use the shipped models/light.onnx, or export the weights again with `distillmatch export`"

# Protocol buffer format: wire types, and the field numbers of ModelProto.metadata_props and of its entries.
_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_METADATA, _KEY, _VALUE = 14, 1, 2


@dataclass(frozen=True)
class Signature:
    """Names and shapes of a network's tensors, all of them float32."""

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, info: EngineInfo) -> "Signature":
        """The tensors that the engine contract requires of a network of this size."""
        image, points = (1, 1, info.height, info.width), (1, info.max_matches, 2)
        return cls(
            {"visible": image, "thermal": image},
            {"visible_points": points, "thermal_points": points, "confidence": (1, info.max_matches)},
        )


def read_info(path: Path, metadata: Mapping[str, str], device: str) -> EngineInfo:
    """Check that the metadata fulfils the engine contract.

    Args:
        path: the file it comes from, named in errors.
        metadata: keys and values of the ONNX file.
        device: description of the runtime and device.

    Raises:
        DistillMatchError: the metadata is not that of a network this version can run.
    """

    def reject(reason: str) -> DistillMatchError:
        return DistillMatchError(f"{path}: {reason}; {EXPORT_AGAIN}")

    # Networks exported before version 0.2 use the key ``slots``.
    metadata = {"max_matches" if key == "slots" else key: value for key, value in metadata.items()}
    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        raise reject(f"not a DistillMatch network (its metadata lacks {', '.join(missing)})")
    if metadata["schema"] != SCHEMA:
        raise reject(f"its metadata schema is {metadata['schema']!r} and this version reads {SCHEMA!r}")
    if metadata["modality_order"] != MODALITY_ORDER:
        raise reject(f"its modality order is {metadata['modality_order']!r} instead of {MODALITY_ORDER!r}")
    sizes = {key: metadata[key] for key in ("height", "width", "max_matches")}
    for key, value in sizes.items():
        if not value.isdecimal() or int(value) < 1:
            raise reject(f"its metadata says {key} {value!r}, which is not a positive integer")
    return EngineInfo(
        height=int(sizes["height"]),
        width=int(sizes["width"]),
        max_matches=int(sizes["max_matches"]),
        config=metadata["config_name"],
        precision=metadata["precision"],
        weights_hash=metadata["weights_sha256"],
        device=device,
    )


def read_metadata(model: bytes) -> dict[str, str]:
    """Read the metadata of an ONNX file without a runtime and without parsing its graph.

    Raises:
        ValueError: the bytes are not a protocol buffer.
    """
    return {_text(entry, _KEY): _text(entry, _VALUE) for entry in _fields(memoryview(model), _METADATA)}


def _text(entry: memoryview, number: int) -> str:
    return b"".join(_fields(entry, number)).decode()


def _fields(message: memoryview, number: int) -> Iterator[memoryview]:
    """The length-delimited fields with a field number."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        if wire == _VARINT:
            _, position = _varint(message, position)
        elif wire == _LENGTH:
            length, start = _varint(message, position)
            position = start + length
            if tag >> 3 == number:
                yield message[start:position]
        elif wire in (_FIXED_64, _FIXED_32):
            position += 8 if wire == _FIXED_64 else 4
        else:
            raise ValueError(f"wire type {wire} is unknown")
    if position > len(message):
        raise ValueError("the last field is cut off")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Decode the base-128 integer at a position; also returns the position after it."""
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
    raise ValueError("an integer is cut off")
