"""Options that several commands have, and groups of them, which commands take as one parameter."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs, write_json
from distillmatch_ros.engines.registry import BACKENDS, check_backend
from distillmatch_ros.images.orientation import Orientation, Orientations
from distillmatch_ros.images.temperature import CAMERAS, Temperature
from distillmatch_ros.registration.registrar import Registrar

IMAGES = "Reading images"
"""Title of the options about how the cameras' images are read."""
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="Network; by default the shipped light network."),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="CPU threads; by default one per core that this process may use."),
]
Warps = Annotated[int, typer.Option(metavar="N", min=1, help="Random homographies per pair and preset.")]
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
Rotation = Annotated[
    int,
    typer.Option(
        metavar="DEGREES",
        help="Clockwise rotation that makes this camera's images upright: 0, 90, 180, 270.",
        rich_help_panel=IMAGES,
    ),
]


def _flip(camera: str) -> Any:
    """The option ``--CAMERA-flip``, without a negative form: no flip is the default."""
    told = "This camera's images are mirrored; the flip precedes the rotation."
    return typer.Option(f"--{camera}-flip", metavar="", help=told, rich_help_panel=IMAGES)


Degrees = Annotated[
    Temperature | None,
    typer.Option(
        "--temperature",
        metavar="CAMERA",
        parser=Temperature.parse,
        help="Write thermal values in degrees Celsius: what converts the camera's readings, one of "
        f"{', '.join(CAMERAS)}, or SCALE,OFFSET for reading * SCALE + OFFSET.",
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
class OrientationOptions:
    """How both cameras' images are turned upright."""

    rgb_rotation: Rotation = 0
    rgb_flip: Annotated[bool, _flip("rgb")] = False
    thermal_rotation: Rotation = 0
    thermal_flip: Annotated[bool, _flip("thermal")] = False

    @property
    def orientations(self) -> Orientations:
        """Both orientations.

        Raises:
            DistillMatchError: a rotation is no multiple of 90 degrees.
        """
        return Orientations(
            Orientation(self.rgb_rotation, self.rgb_flip),
            Orientation(self.thermal_rotation, self.thermal_flip),
        )


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
    """A command as typer takes it: a parameter that is a dataclass becomes options, one a field."""
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if not (isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)):
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
