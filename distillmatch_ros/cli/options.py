"""Options that several commands have, and groups of them, which commands take as one parameter."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs, write_json
from distillmatch_ros.engines.registry import BACKENDS, check_backend
from distillmatch_ros.images.orientation import Orientations
from distillmatch_ros.images.temperature import CAMERAS, Temperature
from distillmatch_ros.registration.registrar import Registrar

Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="Network; by default the shipped light network."),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="CPU threads; by default one per core that this process may use."),
]
Warps = Annotated[int, typer.Option(metavar="N", min=1, help="Random homographies per pair and preset.")]
AUTO = "auto"
"""The value of --rig with which a rig is learned from the pairs themselves."""
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace existing outputs.")]


def _assignment(text: str) -> str:
    """Normalise ``NAME=VALUE`` or ROS's ``NAME:=VALUE`` to ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    name = name.removesuffix(":").strip()
    if not (name and equals):
        raise DistillMatchError(f"--set {text}: has no value; write NAME=VALUE, such as tolerance=0.05")
    return f"{name}={value}"


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        parser=_assignment,
        help="Set one parameter of the node, such as tolerance=0.05; may be repeated.",
    ),
]
Degrees = Annotated[
    Temperature | None,
    typer.Option(
        "--temperature",
        metavar="CAMERA",
        parser=Temperature.parse,
        help="Thermal readings in degrees Celsius, in what is written of them: "
        f"{', '.join(CAMERAS)}, or SCALE,OFFSET: what a reading is multiplied by, and what is added.",
        show_default=False,
    ),
]
AlignedPairs = Annotated[
    Path, typer.Argument(metavar="PAIRS_DIR", help="Aligned pairs: visible/NAME.ext, thermal/NAME.ext.")
]


@dataclass(frozen=True)
class EngineOptions:
    """The network of a command, and what runs it."""

    model: Model = None
    backend: Annotated[
        str,
        typer.Option(metavar="NAME", parser=check_backend, help=f"Runtime: {', '.join(BACKENDS)}."),
    ] = "auto"
    threads: Threads = None

    def open(self, orientations: Orientations | None = None) -> Registrar:
        """A registrar with this engine.

        Raises:
            DistillMatchError: the engine cannot be opened.
        """
        return Registrar.open(self.model, self.backend, self.threads, orientations=orientations)


@dataclass(frozen=True)
class Output:
    """Where the results of a command go."""

    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write results as JSON; - is standard output."),
    ] = None
    overwrite: Overwrite = False

    @property
    def quiet(self) -> bool:
        """Whether standard output is for JSON alone."""
        return self.json_file == STANDARD_OUTPUT

    def check(self, files: Iterable[Path | None] = (), inputs: Iterable[Path | None] = ()) -> None:
        """Check before any work that these files, and that of --json, can be written; see `check_outputs`."""
        check_outputs(files, self.overwrite, inputs, json_file=self.json_file)

    def write(self, record: Any) -> None:
        """Write a record if --json is given."""
        if self.json_file is not None:
            write_json(self.json_file, record)

    def give(self, record: Any, show: Callable[[], None]) -> None:
        """Write a record if --json is given, and show results to people unless that goes to the terminal."""
        self.write(record)
        if not self.quiet:
            show()


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A command as typer takes it: a parameter that is a group becomes the options of that group."""
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.annotation not in (EngineOptions, Output):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = parameter.annotation
        parameters += [
            inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type
            )
            for each in fields(parameter.annotation)
        ]

    @wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
