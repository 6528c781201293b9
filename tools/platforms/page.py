"""The page of platforms, in Markdown."""

import shlex
from collections.abc import Iterator, Sequence

from tools.platforms.checks import COMMANDS, PIP_INSTALL, TEST_NEEDS, TESTS, Check, Outcome, requirement
from tools.platforms.environments import ROOMS, Environment, Untried

CHECKS = ("install", "match", "bag", "calibrate", "report", "doctor", "tests", "node")
ROS = {"ros": "Jazzy", "ros-kilted": "Kilted", None: "none"}
HEAD = """\
# Platforms

Written by `make platforms`. It makes each of these environments, installs the package's wheel into it, and
tries what a user does first. Nothing else is installed: no PyTorch, no OpenVINO. Speed is not measured.
"""
EXPLAINED = """\
- **match**: a synthetic pair. Median distance of the thermal pixels from where they belong, in pixels of a
  visible image 960 wide, and the [corner error](../concepts/glossary.md) of the homography against that of
  the first row.
- **bag**, **calibrate**, **report**: a synthetic drive of 11 pairs, to the end.
- **tests**: those that are not slow, of the folders that need no more than what is installed; for an emulated
  processor fewer folders.
- **node**: both cameras and a subscriber, real processes, all outputs for 6 s (`benchmark-node`); pairs by
  status.
"""

Tried = tuple[Environment, Outcome]


def page(
    environments: Sequence[Environment], outcomes: dict[str, Outcome], untried: Sequence[Untried]
) -> str:
    """The page.

    Args:
        environments: the platforms, in order.
        outcomes: what became of them, by name.
        untried: what no script can make.
    """
    tried = [(each, outcomes[each.name]) for each in environments if each.name in outcomes]
    ran = [(each, outcome) for each, outcome in tried if outcome.skipped is None]
    packages = list(dict.fromkeys(name for _, outcome in ran for name in outcome.versions))
    parts = [
        HEAD,
        _table(["platform", "Python", "ROS 2", "date", *CHECKS], [_row(*each) for each in ran]),
        EXPLAINED,
        '## Commands\n\n```sh title="takes long"\n' + "\n".join(commands()) + "\n```\n",
        "## Versions\n",
        _table(
            ["platform", *packages],
            [[_name(*each), *(each[1].versions.get(name, "") for name in packages)] for each in ran],
        ),
        *_failures(ran),
        "## Not tried\n",
        _table(["platform", "command", "why"], [*_not_made(environments, outcomes), *map(_untried, untried)]),
    ]
    return "\n".join(parts)


def _row(environment: Environment, outcome: Outcome) -> list[str]:
    checks = {check.name: check for check in outcome.checks}
    shown = [_shown(checks[name]) if name in checks else "not reached" for name in CHECKS]
    if environment.ros is None:
        shown[CHECKS.index("node")] = "no wheels of ROS"
    python = outcome.versions.get("Python", environment.python)
    return [_system(outcome), python, ROS[environment.ros], outcome.date, *shown]


def _shown(check: Check) -> str:
    return "**failed**, see below" if check.state == "failed" else _plain(check.found)


def _failures(ran: Sequence[Tried]) -> list[str]:
    failed = [(_name(*each), check) for each in ran for check in each[1].checks if check.state == "failed"]
    lines = [f"- {name}, {check.name}: {_plain(check.found)}\n" for name, check in failed]
    return ["## What failed\n", "".join(lines)] if failed else []


def _not_made(environments: Sequence[Environment], outcomes: dict[str, Outcome]) -> Iterator[list[str]]:
    for each in environments:
        outcome = outcomes.get(each.name)
        if outcome is None or outcome.skipped is not None:
            name = f"{each.release}, {each.machine}, Python {each.python}" + _ros(each)
            why = "not run" if outcome is None else f"{outcome.date}: {_plain(outcome.skipped)}"
            yield [name, f"`make platforms ONLY={each.name}`", why]


def _untried(each: Untried) -> list[str]:
    return [each.platform, f"`{each.command}`", each.reason]


def _system(outcome: Outcome) -> str:
    return outcome.platform + (", emulated (QEMU)" if outcome.emulated else "")


def _name(environment: Environment, outcome: Outcome) -> str:
    return f"{_system(outcome)}, Python {environment.python}{_ros(environment)}"


def _ros(environment: Environment) -> str:
    return f", {ROS[environment.ros]}" if environment.ros else ""


def commands() -> list[str]:
    """What is run on each platform, as a person would type it."""
    wheel = requirement("distillmatch_ros-VERSION-py3-none-any.whl", "ros")
    return [
        f"{shlex.join((*PIP_INSTALL, wheel))}  # in a new virtual environment",
        *(shlex.join(("distillmatch", *words)) for words in COMMANDS.values()),
        shlex.join((*PIP_INSTALL, *TEST_NEEDS)),
        shlex.join((*TESTS, *(f"test/{room}" for room in ROOMS))),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))


def _plain(text: str | None) -> str:
    return (text or "").replace("|", "/").replace("\n", " ")
