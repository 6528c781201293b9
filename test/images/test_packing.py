"""Packed values: every bit where the standards put it."""

import numpy as np
import pytest

from distillmatch_ros.images.encodings import decode, encode, output_encoding

VALUES = np.array([[0x123, 0xABC, 0x3FF, 0x001, 0x2A5], [0x7, 0x80, 0x155, 0x2AA, 0x3C1]], np.uint16)


def stream(values: np.ndarray, bits: int, group: int) -> np.ndarray:
    """GenICam's ``p``: a stream of bits, lowest first, each row ending with a whole group."""
    flat = ((values[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(len(values), -1)
    whole = -(-values.shape[1] // group) * group * bits
    return np.packbits(np.pad(flat, ((0, 0), (0, whole - flat.shape[1]))), axis=1, bitorder="little")


def gige(values: np.ndarray, bits: int, _: int) -> np.ndarray:
    low = bits - 8
    even = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    first, second = even[:, ::2], even[:, 1::2]
    mask = (1 << low) - 1
    packed = np.stack([first >> low, (first & mask) | (second & mask) << 4, second >> low], 2)
    return packed.reshape(len(values), -1).astype(np.uint8)


def csi2(values: np.ndarray, bits: int, group: int) -> np.ndarray:
    low = bits - 8
    whole = np.pad(values, ((0, 0), (0, -values.shape[1] % group))).reshape(len(values), -1, group)
    lows = ((whole[..., None] >> np.arange(low)) & 1).astype(np.uint8).reshape(*whole.shape[:2], -1)
    tail = np.packbits(lows, axis=2, bitorder="little")
    return np.concatenate([(whole >> low).astype(np.uint8), tail], 2).reshape(len(values), -1)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("name", "pack", "bits", "group"),
    [
        ("mono10p", stream, 10, 4),
        ("mono12p", stream, 12, 2),
        ("mono14p", stream, 14, 4),
        ("mono10packed", gige, 10, 2),
        ("Mono12Packed", gige, 12, 2),
        ("mono10_csi2p", csi2, 10, 4),
        ("mono12_csi2p", csi2, 12, 2),
        ("mono14_csi2p", csi2, 14, 4),
    ],
)
def test_packed_values_come_out_whole(name: str, pack, bits: int, group: int, padding: int) -> None:
    values = VALUES * np.uint16(16 if bits == 14 else 1) & np.uint16((1 << bits) - 1)
    rows = np.pad(pack(values, bits, group), ((0, 0), (0, padding)), constant_values=0xAA)
    decoded = decode(rows.tobytes(), *values.shape, rows.shape[1], name, False)
    np.testing.assert_array_equal(decoded, values)
    assert output_encoding(name) == "mono16"
    np.testing.assert_array_equal(encode(decoded, name), values)


def test_packed_mosaic_becomes_colour() -> None:
    mosaic = np.tile(np.array([[900, 500], [500, 100]], np.uint16), (4, 4))
    rows = stream(mosaic, 12, 2)
    decoded = decode(rows.tobytes(), 8, 8, rows.shape[1], "bayer_rggb12p", False)
    np.testing.assert_array_equal(decoded, np.tile([100, 500, 900], (8, 8, 1)))


def test_14_bits_in_16_are_taken_as_they_are() -> None:
    assert output_encoding("mono14") == "mono16"
    np.testing.assert_array_equal(decode(VALUES.tobytes(), 2, 5, 10, "mono14", False), VALUES)
