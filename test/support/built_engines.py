"""Engines that are built in a cache of the test's own."""

from pathlib import Path

from distillmatch_ros.engines import Engine, open_engine
from distillmatch_ros.engines.plans import PlanCache


def open_tensorrt(network: Path) -> Engine:
    return open_engine(network, backend="tensorrt")


def plans() -> list[Path]:
    return sorted(PlanCache().folder.glob("*.plan"))
