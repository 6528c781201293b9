"""Registration of the bags of a fleet in this process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distillmatch_ros.bags.job import BagJob
from distillmatch_ros.bags.processing import process_bag
from distillmatch_ros.bags.provenance import provenance
from distillmatch_ros.bags.rerun_file import recording
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.fleet.places import published, shown, staged, to_file
from distillmatch_ros.fleet.plan import Order, Unit
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.assembly import open_registrar, open_stream
from distillmatch_ros.stream.result import Result


@dataclass(frozen=True)
class Outcome:
    """Result of a bag.

    Attributes:
        unit: the bag.
        summary: its summary.
        error: why there is no output; None if there is one.
    """

    unit: Unit
    summary: BagSummary
    error: str | None = None

    @classmethod
    def failed(cls, unit: Unit, error: str) -> "Outcome":
        """Result of a bag that could not be registered."""
        error = shown(error)
        return cls(unit, BagSummary(shown(unit.source), shown(unit.target), problems=[error]), error)


def register(
    unit: Unit,
    order: Order,
    registrar: Registrar,
    *,
    on_frame: Callable[[], None],
    stop: Callable[[], bool],
    scratch: str | None = None,
) -> BagSummary:
    """Register a bag, local or in a store.

    Args:
        unit: the bag.
        order: settings of the run.
        registrar: opened with the parameters of the order.
        on_frame: called for each visible frame.
        stop: polled; True ends early.
        scratch: folder for downloads and uploads; the system's temporary folder if None.

    Raises:
        DistillMatchError: the bag cannot be used, an output cannot be written, or a store not be reached.
    """
    parameters = order.parameters
    named = {"bag": shown(unit.source), "out": shown(unit.target)}
    with ExitStack() as places:
        parts = [places.enter_context(staged(source, scratch)) for source in unit.sources]
        out = places.enter_context(published(unit.target, scratch))
        local = {str(path): shown(source) for path, source in zip(parts, unit.sources, strict=True)}
        local[str(out)] = named["out"]
        job = BagJob(
            *(parts[0], out, order.topics, order.outputs),
            *(parameters.undistort, parameters.jpeg_quality, unit.overwrite),
            tuple(parts[1:]),
        )
        about = {**provenance(parameters, registrar), **named}
        add_row, note = places.enter_context(_table(unit, scratch))
        record = places.enter_context(_recording(unit))

        def on_result(result: Result) -> None:
            add_row(result)
            record(result)

        try:
            summary = process_bag(
                job,
                open_stream(parameters, registrar),
                parameters,
                about=about,
                on_frame=on_frame,
                on_result=on_result,
                stop=stop,
            )
        except DistillMatchError as error:
            raise DistillMatchError(*(_as_given(line, local) for line in error.args)) from error
        problems = [_as_given(problem, local) for problem in summary.problems]
        summary = replace(summary, bag=named["bag"], out=named["out"], problems=problems)
        note({**about, **summary.record()})
    return summary


def register_all(
    units: Iterable[Unit], order: Order, *, on_frame: Callable[[], None], stop: Callable[[], bool]
) -> Iterator[Outcome]:
    """Register bags one after the other; an error in one does not stop the others.

    Raises:
        DistillMatchError: the network cannot be opened.
    """
    with open_registrar(order.parameters) as registrar:
        for unit in units:
            if stop():
                return
            try:
                yield Outcome(unit, register(unit, order, registrar, on_frame=on_frame, stop=stop))
            except DistillMatchError as error:
                yield Outcome.failed(unit, str(error))


def _as_given(text: str, local: dict[str, str]) -> str:
    """Replace temporary local paths in a message by the places they stand for."""
    for path, place in local.items():
        text = text.replace(path, place)
    return text


@contextmanager
def _table(
    unit: Unit, scratch: str | None
) -> Iterator[tuple[Callable[[Result], None], Callable[[Mapping[str, Any]], None]]]:
    """Callbacks for pairs and summary of a bag that write its table, if there is one."""
    if unit.table is None:
        yield lambda _: None, lambda _: None
        return
    with needing("fleet"):
        from distillmatch_ros.fleet.table import OUTPUTS, writing_pairs
    outputs = {} if unit.folder is None else {OUTPUTS: to_file(unit.folder, unit.table)}
    with writing_pairs(unit.table, scratch) as table:
        yield table.add, lambda about: table.note({**about, **outputs})


@contextmanager
def _recording(unit: Unit) -> Iterator[Callable[[Result], None]]:
    """Callback for pairs of a bag that writes its recording for Rerun's viewer, if there is one."""
    if unit.rerun is None:
        yield lambda _: None
        return
    with recording(Path(unit.rerun)) as recorded:
        yield recorded.add_result
