"""The table of runtimes: rows lead to functions, and choices follow from it."""

import ast

import pytest
from support import ROOT

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import BackendMissingError
from distillmatch_ros.engines.registry import AUTO, BACKENDS, RUNTIMES, Runtime, importing, ranked
from distillmatch_ros.stream.parameters import TABLE, Parameters


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda row: row.label)
def test_a_row_names_functions_that_exist(runtime: Runtime) -> None:
    """By their source, since the runtime may not be installed."""
    for entry in filter(None, (runtime.opener, runtime.builder)):
        module, _, name = entry.partition(":")
        body = ast.parse((ROOT / f"distillmatch_ros/engines/{module}.py").read_text()).body
        for part in name.split("."):
            [found] = [node for node in body if getattr(node, "name", None) == part]
            body = getattr(found, "body", [])


def test_labels_and_suffixes_and_ranks_are_unique() -> None:
    for values in (
        [row.label for row in RUNTIMES],
        [suffix for row in RUNTIMES for suffix in row.suffixes],
        [row.rank for row in ranked()],
    ):
        assert len(values) == len(set(values))
    assert [row.label for row in ranked()] == ["TensorRT", "ONNX Runtime, CUDA", "OpenVINO", "ONNX Runtime"]


def test_the_parameter_takes_what_the_table_holds() -> None:
    assert TABLE["backend"].description.choices == BACKENDS
    for backend in BACKENDS:
        assert Parameters.of({"backend": backend}).backend == backend
    with pytest.raises(DistillMatchError, match="backend is 'ncnn'; choose auto, onnx"):
        Parameters.of({"backend": "ncnn"})


def test_a_module_of_ours_that_is_missing_is_no_missing_runtime() -> None:
    with pytest.raises(ModuleNotFoundError), importing("A runtime", "install it"):
        import distillmatch_ros.engines.none  # type: ignore[import-not-found]  # noqa: F401
    missing = pytest.raises(BackendMissingError, match=r"A runtime is not installed here .* install it")
    with missing, importing("A runtime", "install it"):
        import no_such_runtime  # type: ignore[import-not-found]  # noqa: F401


def test_auto_is_no_runtime() -> None:
    assert AUTO not in {row.backend for row in RUNTIMES}
