"""The program, run as people run it."""

from typer.testing import CliRunner, Result

from distillmatch_ros.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_wrong_use(result: Result, message: str) -> None:
    """Exit code 2, and the reason in one line of standard error."""
    assert result.exit_code == 2, result.output
    line = result.stderr.strip()
    assert message in line and "\n" not in line and line.startswith("error: ")
    assert result.stdout == ""
