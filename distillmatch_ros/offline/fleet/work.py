"""One bag after the other through one network, in this process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.extras import needing
from distillmatch_ros.offline.bag.processing import BagJob, process_bag
from distillmatch_ros.offline.bag.provenance import provenance
from distillmatch_ros.offline.bag.summary import BagSummary
from distillmatch_ros.offline.fleet.places import published, redacted, staged
from distillmatch_ros.offline.fleet.plan import Order, Unit
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.stream.assembly import open_registrar, open_stream
from distillmatch_ros.stream.stream import Result


@dataclass(frozen=True)
class Outcome:
    """What became of a bag.

    Attributes:
        unit: the bag.
        summary: of it.
        error: why there is no output; None if there is one.
    """

    unit: Unit
    summary: BagSummary
    error: str | None = None

    @classmethod
    def failed(cls, unit: Unit, error: str) -> "Outcome":
        """Of a bag that could not be registered."""
        error = redacted(error)
        return cls(unit, BagSummary(redacted(unit.source), redacted(unit.target), problems=[error]), error)


def register(
    unit: Unit,
    order: Order,
    registrar: Registrar,
    *,
    on_frame: Callable[[], None],
    stop: Callable[[], bool],
    scratch: str | None = None,
) -> BagSummary:
    """Register a bag, wherever it is.

    Args:
        unit: the bag.
        order: what is done with it.
        registrar: opened with the order's parameters.
        on_frame: called for each visible frame.
        stop: asked again and again whether to end early.
        scratch: folder for what comes from and goes to stores; the system's own if None.

    Raises:
        DistillMatchError: the bag cannot be used, an output cannot be written, or a store not be reached.
    """
    parameters = order.parameters
    named = {"bag": redacted(unit.source), "out": redacted(unit.target)}
    with ExitStack() as places:
        bag = places.enter_context(staged(unit.source, scratch))
        out = places.enter_context(published(unit.target, scratch))
        local = {str(bag): named["bag"], str(out): named["out"]}
        job = BagJob(
            *(bag, out, order.rgb, order.thermal, order.outputs),
            *(parameters.undistort, parameters.jpeg_quality, unit.overwrite),
        )
        about = {**provenance(parameters, registrar), **named}
        on_result, note = places.enter_context(_table(unit, scratch))
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
            raise DistillMatchError(_as_given(str(error), local)) from error
        problems = [_as_given(problem, local) for problem in summary.problems]
        summary = replace(summary, bag=named["bag"], out=named["out"], problems=problems)
        note({**about, **summary.record()})
    return summary


def register_all(
    units: Iterable[Unit], order: Order, *, on_frame: Callable[[], None], stop: Callable[[], bool]
) -> Iterator[Outcome]:
    """Register bags in this process, one after the other; what happens to one stops no other.

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
    """A message about files of this machine, told of what they stand for."""
    for path, place in local.items():
        text = text.replace(path, place)
    return text


@contextmanager
def _table(
    unit: Unit, scratch: str | None
) -> Iterator[tuple[Callable[[Result], None], Callable[[Mapping[str, Any]], None]]]:
    """What takes the pairs of a bag, and what takes its summary, for the table if there is one."""
    if unit.table is None:
        yield lambda _: None, lambda _: None
        return
    with needing("fleet"):
        from distillmatch_ros.offline.fleet.table import writing_pairs
    with writing_pairs(unit.table, scratch) as table:
        yield table.add, table.note
