"""How the outputs in a bag came about, kept in the bag itself: rosbag2's own ``custom_data``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from mcap.reader import make_reader

from distillmatch_ros import __version__
from distillmatch_ros.base import machine
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.parameters import Parameters

KEY = "distillmatch"
"""Under which `custom_data` holds a JSON object."""


def provenance(parameters: Parameters, registrar: Registrar) -> dict[str, Any]:
    """Version, machine, model and the parameters that differ from their defaults, as a JSON object."""
    default, info = Parameters().flat(), registrar.engine.info
    return {
        "version": __version__,
        "machine": machine.describe(),
        "model": {
            "config": info.config,
            "precision": info.precision,
            "weights": info.weights_hash,
            "device": info.device,
        },
        "settings": {name: value for name, value in parameters.flat().items() if value != default[name]},
    }


def read_provenance(path: Path) -> Mapping[str, Any]:
    """What an MCAP file says of how it came about; empty where it says nothing."""
    try:
        with path.open("rb") as file:
            for record in make_reader(file).iter_metadata():
                if record.name == "rosbag2":
                    metadata = yaml.safe_load(record.metadata["serialized_metadata"])
                    found: Mapping[str, Any] = json.loads((metadata["custom_data"] or {}).get(KEY, "{}"))
                    return found
    except Exception:  # a damaged bag can bring anything out of its reader; its messages may be whole
        return {}
    return {}


def problems_of(told: Mapping[str, Any]) -> list[str]:
    """What the provenance of a bag tells of parts that were not read, paired or registered, for people."""
    stopped = "the run was stopped before the end of the bag; register it again, a fleet with --resume"
    return [*([stopped] if told.get("interrupted") else []), *told.get("problems", ())]
