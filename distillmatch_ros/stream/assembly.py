"""Builds registrar, stream and synchroniser from parameters, for the node and for bags."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.registration.registrar import SHIPPED_MODEL, Registrar
from distillmatch_ros.rig.files import RigFile, holds_rig
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.stream.attachment import PairCollector, Pairing
from distillmatch_ros.stream.calibration import Calibration, Known
from distillmatch_ros.stream.parameters import ARRIVAL, Parameters, tolerance_of
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.synchroniser import Synchroniser
from distillmatch_ros.stream.temporal import Mode


def open_registrar(parameters: Parameters, *, asynchronous: bool = False) -> Registrar:
    """Open the network that the parameters name.

    Args:
        parameters: network, runtime, threads, passes and gate.
        asynchronous: whether passes run in parallel to tracking, which is left a core unless threads are set.

    Raises:
        DistillMatchError: it cannot be opened.
    """
    threads = asynchronous_threads(parameters) if asynchronous else parameters.threads
    return Registrar.open(
        model_path(parameters),
        parameters.backend,
        threads or None,
        parameters.passes,
        parameters.stream.gate,
    )


def model_path(parameters: Parameters) -> Path:
    """Path of the network file.

    Raises:
        DistillMatchError: no file is named, and this installation lacks the shipped one.
    """
    return Path(parameters.model).expanduser() if parameters.model else resources.find(SHIPPED_MODEL)


def asynchronous_threads(parameters: Parameters) -> int:
    """CPU threads of an engine whose passes run in parallel to tracking; 0 for one per core."""
    if parameters.threads or parameters.stream.pass_seconds == 0:
        return parameters.threads
    return max(1, usable_cores() - 1)


def load_calibration(parameters: Parameters) -> Known | None:
    """Read the calibration that mode fixed needs, one homography or a rig; None in other modes.

    Raises:
        DistillMatchError: the file is missing, or holds no calibration.
    """
    if parameters.stream.mode is not Mode.FIXED:
        return None
    path = calibration_path(parameters)
    return RigFile.load(path).rig if holds_rig(path) else Calibration.load(path)


def calibration_path(parameters: Parameters) -> Path:
    """Path of the calibration file.

    Raises:
        DistillMatchError: the parameter is empty, or names a device.
    """
    if not parameters.calibration_file:
        raise DistillMatchError("parameter calibration_file is empty; set it to the YAML file to use")
    path = Path(parameters.calibration_file).expanduser()
    check_no_device(path)  # which would take a calibration, and keep none
    return path


def rig_path(parameters: Parameters) -> Path | None:
    """Path of the rig's file; None if none is named."""
    return Path(parameters.rig_file).expanduser() if parameters.rig_file else None


def awaited_rig(parameters: Parameters) -> Path | None:
    """The rig's file if it does not exist yet: the node writes it once it knows the rig; else None."""
    path = rig_path(parameters)
    return None if path is None or path.exists() else path


def load_rig(parameters: Parameters) -> LearnedRig | None:
    """Read the rig that was learned earlier; None if no file is named.

    Raises:
        DistillMatchError: the file does not exist, or holds no rig.
    """
    path = rig_path(parameters)
    return None if path is None else RigFile.load(path).rig


def open_stream(parameters: Parameters, registrar: Registrar) -> Stream:
    """A stream with the parameters' settings, of pairs that are there already: it writes no rig's file.

    Raises:
        DistillMatchError: the file that modes fixed or rig name cannot be read.
    """
    known = load_rig(parameters) if parameters.stream.mode is Mode.RIG else None
    return Stream(registrar, parameters.stream, load_calibration(parameters), known=known)


def make_synchroniser(parameters: Parameters) -> Synchroniser[Any]:
    """A synchroniser with the parameters' tolerance and offset; for message_filters it pairs by stamp."""
    return Synchroniser(
        round(parameters.tolerance * SECOND),
        round(parameters.thermal_offset * SECOND),
        by=_by(parameters),
    )


def make_collector(
    parameters: Parameters, pairing: Pairing[Any], attached: Collection[Sensor]
) -> PairCollector[Any]:
    """A collector of pairs with the frames of further sensors, by the parameters' times."""
    tolerances = {sensor: round(getattr(parameters, tolerance_of(sensor)) * SECOND) for sensor in attached}
    return PairCollector(pairing, tolerances, _by(parameters))


def _by(parameters: Parameters) -> Literal["stamp", "arrival"]:
    return "arrival" if parameters.pairing == ARRIVAL else "stamp"
