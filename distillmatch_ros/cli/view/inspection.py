"""Terminal output of inspect and doctor."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from distillmatch_ros.bags.inspection import ImageFigures, InspectedTopic, Inspection
from distillmatch_ros.doctor.examination import Examination
from distillmatch_ros.doctor.finding import FAULT, NOTE, OK
from distillmatch_ros.stream.sensors import Sensor

MARKS = {OK: "[green]ok[/]", NOTE: "[yellow]note[/]", FAULT: "[bold red]fault[/]"}


def show_inspection(found: Inspection) -> None:
    """Print one recording or image."""
    if found.error is not None:
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(found.kind, escape(found.path))
    if found.image is not None:
        for text in _of_image(found.image):
            grid.add_row("", text)
    if found.kind == "bag" and not found.topics:
        grid.add_row("topics", "none: nothing was recorded, or all is lost")
    for topic in found.topics:
        grid.add_row("topic", f"[bold]{escape(topic.name)}[/]")
        for text in _of_topic(topic):
            grid.add_row("", escape(text))
    for side, name in found.guess.items():
        told = "its first message fits" if side == Sensor.DEPTH else "by name and encoding"
        grid.add_row(side, f"{escape(name)}  [dim]({told})[/]")
    if found.pairs is not None:
        grid.add_row("pairs", f"{found.pairs} with the default settings")
    if found.clocks is not None:
        drift = found.clocks["drift_ppm"]
        shown = "" if drift is None else f", drift {drift:+.1f} ±{found.clocks['drift_std_ppm']:.1g} ppm"
        offset, std = found.clocks["offset"], found.clocks["offset_std"]
        grid.add_row(
            "clocks",
            f"thermal stamps are {_ahead(offset, 6)} visible ones, known to "
            f"±{max(1e3 * std, 0.001):.2g} ms{shown}",
        )
    if found.advice is not None:
        grid.add_row("advice", escape(found.advice))
    read = " and ".join(f"{topic.messages} of {topic.name}" for topic in found.topics)
    for loss in found.losses:
        counts = loss["messages"]
        lost = (
            f"how many messages is not known; {read or 'none'} can be read"
            if counts is None
            else ", ".join(f"{n} of {topic}" for topic, n in counts.items())
        )
        grid.add_row("lost", escape(f"{loss['file']} {loss['reason']}: {lost or 'nothing'}"))
    if found.command is not None:
        grid.add_row("next", f"[bold]{escape(found.command)}[/]")
    Console().print(Panel(grid, expand=False))


def _ahead(seconds: float, digits: int) -> str:
    return f"{abs(seconds):.{digits}f} s {'behind' if seconds < 0 else 'ahead of'}"


def _of_topic(topic: InspectedTopic) -> Iterator[str]:
    rate = "" if topic.rate_hz is None else f", {topic.rate_hz:.1f} Hz, longest gap {topic.longest_gap:.2f} s"
    yield f"{topic.type}, {topic.encoding or 'no image'}, {topic.messages} messages{rate}"
    if topic.repeated_stamps or topic.stamps_back:
        yield f"stamps: {topic.repeated_stamps} repeat the one before, {topic.stamps_back} go back"
    if topic.stamp_ahead is not None:
        yield f"stamps are {_ahead(topic.stamp_ahead, 3)} the times of receipt"
    if topic.frozen:
        yield f"{topic.frozen:.0%} of the images equal the one before"
    if topic.unreadable is not None:
        yield f"unreadable: {topic.unreadable}"
    if topic.figures is not None:
        yield from _of_image(topic.figures)


def _of_image(image: ImageFigures) -> Iterator[str]:
    channels = "1 channel" if image.channels == 1 else f"{image.channels} channels"
    yield f"{image.width} x {image.height}, {channels} of {image.values}"
    yield (
        f"values {image.least:g} to {image.greatest:g}, shown from {image.black:g} to {image.white:g}; "
        f"{image.extreme:.1%} at either end, {image.not_finite:.1%} not finite"
    )
    if any(image.bars):
        top, right, bottom, left = image.bars
        yield f"borders of one value: {top} rows above, {bottom} below, {left} columns left, {right} right"


def show_examination(found: Examination) -> None:
    """Print one line per finding, and below it what to do."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in found.findings:
        grid.add_row(MARKS[finding.state], finding.about, escape(finding.value))
        if finding.remedy is not None:
            grid.add_row("", "", f"[dim]{escape(finding.remedy)}[/]")
    Console().print(grid)
