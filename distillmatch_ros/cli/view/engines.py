"""Terminal output of build-engine and verify."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from distillmatch_ros.engines import EngineInfo
from distillmatch_ros.evaluation.verification import Comparison, Verification


def build_phases(bar: Progress) -> Callable[[str, int, int], None]:
    """A callback that shows the nested phases of a build as bars below each other."""
    tasks: dict[str, TaskID] = {}

    def show(phase: str, done: int, steps: int) -> None:
        if phase not in tasks:
            tasks[phase] = bar.add_task(phase, total=steps)
        bar.update(tasks[phase], completed=done, total=steps, visible=done < steps)

    return show


def show_engine(info: EngineInfo, plan: Path, build_seconds: float | None) -> None:
    """Print which engine was built, or found, and its file."""
    how = "found in the cache" if build_seconds is None else f"built in {build_seconds:.0f} s"
    _say(f"{info.config} {info.precision} for {info.device}: {how}")
    _say(str(plan))
    _say("compare it with the other runtimes: distillmatch verify")


def show_verification(verification: Verification) -> None:
    """How far each backend is from the reference; what is beyond its limit is named below."""
    table = Table("backend", "")
    for column in ("found", "points px", "confidence", "corners px", "same status"):
        table.add_column(column, justify="right")
    for compared in verification.compared:
        figures = (compared.points_px, compared.confidence, compared.corners_px)
        table.add_row(
            compared.backend,
            "[bold red]off[/]" if compared.faults else "[bold green]ok[/]",
            "-" if compared.found is None else f"{compared.found:.1%}",
            *("-" if figure is None else f"{figure:.2g}" for figure in figures),
            f"{compared.same_status}/{compared.pairs}",
        )
    _say(f"against {verification.reference.device}, {verification.reference.precision}")
    Console().print(table)
    for compared in verification.compared:
        _say(f"{compared.backend}: {_runtime(compared)}")
        for fault in compared.faults:
            _say(f"  {fault}")
    for backend, reason in verification.absent.items():
        _say(f"{backend}: not here: {reason}", style="dim")


def _runtime(compared: Comparison) -> str:
    return "does not open" if compared.info is None else f"{compared.info.device}, {compared.info.precision}"


def _say(line: str, style: str | None = None) -> None:
    Console().print(line, style=style, soft_wrap=True, markup=False, highlight=False)
