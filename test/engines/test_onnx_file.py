from contextlib import suppress

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from support.tiny_network import METADATA, WriteNetwork, tiny_graph

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.metadata import read_metadata
from distillmatch_ros.engines.onnx_file import OnnxFile

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.mark.slow
@given(st.dictionaries(TEXT, TEXT, max_size=5), st.integers(0, 2**62), st.text(max_size=5))
def test_metadata_is_read_as_onnx_reads_it(metadata: dict[str, str], version: int, producer: str) -> None:
    model = helper.make_model(
        tiny_graph(), model_version=version, producer_name=producer.encode("utf8", "replace")
    )
    helper.set_model_props(model, metadata)
    assert read_metadata(model.SerializeToString()) == metadata


@given(st.binary(max_size=60))
def test_bytes_that_are_anything_give_metadata_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(read_metadata(data), dict)


@given(st.integers(0, 400))
def test_a_file_that_is_cut_off_is_never_read_as_whole(cut: int) -> None:
    model = helper.make_model(tiny_graph())
    helper.set_model_props(model, METADATA)
    data = model.SerializeToString()
    with suppress(ValueError):
        assert len(read_metadata(data[: len(data) - 1 - cut])) < len(METADATA)


def test_the_half_precision_graph_beside_a_network(write_network: WriteNetwork) -> None:
    half = write_network(precision="fp16")
    half = half.rename(half.with_name("tiny_fp16.onnx"))
    full = write_network(precision="fp32")
    found = OnnxFile.read(full).in_half()
    assert found is not None and found.path == half
    assert OnnxFile.read(half).in_half() == OnnxFile.read(half)
    # Of other weights: it would answer with an older network than the one that was asked for.
    assert OnnxFile.read(write_network(weights_sha256="1" * 64)).in_half() is None
    write_network(precision="fp32").rename(half)
    assert OnnxFile.read(write_network()).in_half() is None
    half.unlink()
    assert OnnxFile.read(write_network()).in_half() is None


def test_a_file_that_is_no_network(write_network: WriteNetwork) -> None:
    path = write_network()
    path.write_bytes(b"not a network at all")
    with pytest.raises(DistillMatchError, match=r"tiny\.onnx: cannot be read as an ONNX file"):
        OnnxFile.read(path)
    onnx.save(helper.make_model(tiny_graph()), path)
    with pytest.raises(DistillMatchError, match=r"tiny\.onnx: not a DistillMatch network"):
        OnnxFile.read(path)
