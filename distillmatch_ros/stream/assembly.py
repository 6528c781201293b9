"""Construction of registrar, stream and synchroniser from parameters, for node and bags alike."""

from pathlib import Path
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.calibration import Calibration
from distillmatch_ros.stream.parameters import ARRIVAL, Parameters
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.synchroniser import Synchroniser
from distillmatch_ros.stream.temporal import Mode


def open_registrar(parameters: Parameters, *, beside: bool = False) -> Registrar:
    """Open the network.

    Args:
        parameters: which network, runtime, threads, passes and gate.
        beside: passes will run while pairs are tracked: leave a core to the tracking, if threads are not set.

    Raises:
        DistillMatchError: it cannot be opened.
    """
    model = Path(parameters.model).expanduser() if parameters.model else None
    threads = threads_beside(parameters) if beside else parameters.threads
    return Registrar.open(
        model, parameters.backend, threads or None, parameters.passes, parameters.stream.gate
    )


def threads_beside(parameters: Parameters) -> int:
    """CPU threads of an engine whose passes run while pairs are tracked; 0 for one for each core."""
    if parameters.threads or parameters.stream.pass_seconds == 0:
        return parameters.threads
    return max(1, usable_cores() - 1)


def load_calibration(parameters: Parameters) -> Calibration | None:
    """Read the calibration that mode fixed needs; None in other modes.

    Raises:
        DistillMatchError: the file is missing, or holds no calibration.
    """
    if parameters.stream.mode is not Mode.FIXED:
        return None
    return Calibration.load(calibration_path(parameters))


def calibration_path(parameters: Parameters) -> Path:
    """Where the calibration is.

    Raises:
        DistillMatchError: no file is named.
    """
    if not parameters.calibration_file:
        raise DistillMatchError("parameter calibration_file is empty; set it to the YAML file to use")
    return Path(parameters.calibration_file).expanduser()


def open_stream(parameters: Parameters, registrar: Registrar) -> Stream:
    """A stream with the parameters' settings.

    Raises:
        DistillMatchError: the calibration that mode fixed needs cannot be read.
    """
    return Stream(registrar, parameters.stream, load_calibration(parameters))


def make_synchroniser(parameters: Parameters) -> Synchroniser[Any]:
    """A synchroniser with the parameters' tolerance and offset; message_filters, too, goes by stamp."""
    return Synchroniser(
        round(parameters.tolerance * SECOND),
        round(parameters.thermal_offset * SECOND),
        by="arrival" if parameters.pairing == ARRIVAL else "stamp",
    )
