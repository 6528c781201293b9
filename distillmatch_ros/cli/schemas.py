"""JSON Schemas of the commands' ``--json`` outputs and of the node's parameter file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from distillmatch_ros.bags.aligned_pairs import AlignRecord
from distillmatch_ros.bags.calibration import CalibrationRecord
from distillmatch_ros.bags.image_files import PairRecord
from distillmatch_ros.bags.inspection import Inspection
from distillmatch_ros.bags.summary import BagRecord
from distillmatch_ros.cli.engines import BuiltEngine
from distillmatch_ros.demo.run import DemoRecord
from distillmatch_ros.doctor.examination import Examination
from distillmatch_ros.evaluation import impossible, streams
from distillmatch_ros.evaluation.latency import Benchmark
from distillmatch_ros.evaluation.probability import Bin
from distillmatch_ros.evaluation.report import EvaluationRecord
from distillmatch_ros.evaluation.rig import DriveRecord
from distillmatch_ros.evaluation.verification import Verification
from distillmatch_ros.fleet.overview import OverviewRecord
from distillmatch_ros.registration.probability import ProbabilityModel
from distillmatch_ros.reports.verdict import ReportRecord
from distillmatch_ros.stream import parameter_schema
from distillmatch_ros.tools.node_benchmark import NodeBenchmark
from distillmatch_ros.training.gan.figures import Measured


@dataclass(frozen=True)
class FittedProbability(ProbabilityModel):
    """The coefficients for one network, and their measured calibration.

    Attributes:
        reliability: bins of the reliability diagram.
    """

    reliability: list[Bin]


def _of(kind: Any) -> Callable[[], dict[str, Any]]:
    return lambda: TypeAdapter(kind).json_schema()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "match": _of(PairRecord),
    "bag": _of(list[BagRecord]),
    "fleet": _of(list[OverviewRecord]),
    "inspect": _of(list[Inspection]),
    "calibrate": _of(CalibrationRecord),
    "align": _of(AlignRecord),
    "evaluate": _of(EvaluationRecord | list[DriveRecord]),
    "evaluate-streams": _of(list[streams.Figures]),
    "evaluate-impossible": _of(list[impossible.Figures]),
    "benchmark": _of(Benchmark),
    "benchmark-node": _of(list[NodeBenchmark]),
    "report": _of(ReportRecord),
    "demo": _of(DemoRecord),
    "fit-probability": _of(FittedProbability),
    "build-engine": _of(BuiltEngine),
    "verify": _of(Verification),
    "doctor": _of(Examination),
    "evaluate-gan": _of(Measured),
    "parameters": parameter_schema.schema,
}
"""Schema factories by command (``match``: schema of one line); ``parameters`` is the parameter file."""


def schema(name: str) -> dict[str, Any]:
    """JSON Schema of a command's ``--json`` output, or of ``parameters``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]()}
