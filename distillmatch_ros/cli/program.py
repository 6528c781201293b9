"""The command-line program: exit codes and error handling."""

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distillmatch_ros import __version__
from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.cli import end_interrupted
from distillmatch_ros.cli.view import common

SOME_INPUTS_FAILED, WRONG_USE = 1, 2


def fail_with_errors(errors: Sequence[str]) -> None:
    """Print errors, and exit with `SOME_INPUTS_FAILED` if there are any."""
    for error in errors:
        common.complain(error)
    if errors:
        raise typer.Exit(SOME_INPUTS_FAILED)


class _Commands(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reject an empty argument: as a path it would be the working directory."""
        if "" in args:
            common.complain("an argument is empty; is a variable of the shell not set?")
            raise typer.Exit(WRONG_USE)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a `DistillMatchError` is printed without a traceback."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if (interrupt := _interrupt_behind(error)) is not None:
                raise typer.Exit(end_interrupted(interrupt)) from error
            if not isinstance(error, DistillMatchError):
                raise
            common.complain(str(error))
            raise typer.Exit(WRONG_USE) from error


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C that caused an error: an extension module that is loading turns it into an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error


app = typer.Typer(
    name="distillmatch",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Register visible and thermal images: correspondences, homography and its probability.",
    epilog="Exit codes: 0 done, 1 some inputs failed, 2 wrong use. A rejected homography is a result.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"distillmatch {__version__}")
        raise typer.Exit()


def _show_resources(asked: bool) -> None:
    if asked:
        typer.echo(resources.find("config").parent)
        raise typer.Exit()


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
    resources_folder: Annotated[
        bool,
        typer.Option(
            "--resources",
            callback=_show_resources,
            is_eager=True,
            help="Show the folder of config/, launch/ and models/.",
        ),
    ] = False,
) -> None:
    """Options of the program itself; their callbacks run while the command line is parsed."""


def needs_torch(module: str) -> ModuleType:
    """Import a module of ``distillmatch_ros`` that needs the packages of the extra ``train``."""
    with needing("train"):
        return importlib.import_module(f"distillmatch_ros.{module}")
