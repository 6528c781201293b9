"""Parameter files that a process was started with, and whether they say anything of its node."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.yaml import read_yaml

OPTION = "--params-file"
PARAMETERS = "ros__parameters"


def unused(arguments: Sequence[str], node: str) -> Iterator[str]:
    """A sentence for each parameter file that holds nothing for a node, which ROS passes over in silence.

    Args:
        arguments: arguments of the process.
        node: fully qualified name of the node.
    """
    for option, name in pairwise(arguments):
        if option != OPTION:
            continue
        try:
            content = read_yaml(Path(name), "")
        except DistillMatchError:  # ROS has said so
            continue
        named = list(_nodes(content, ""))
        if not any(_covers(pattern, node) for pattern in named):
            listed = ", ".join(named) or "no node"
            yield f"{name} holds parameters of {listed}, and none of {node}: call it {node} there, or /**"


def _nodes(content: Any, before: str) -> Iterator[str]:
    """The names of nodes in a file, whose namespaces may be levels of their own."""
    for key, value in content.items() if isinstance(content, dict) else ():
        name = f"{before}/{str(key).strip('/')}"
        if isinstance(value, dict) and PARAMETERS in value:
            yield name
        else:
            yield from _nodes(value, name)


def _covers(pattern: str, node: str) -> bool:
    """Whether a name with ``*`` for one part and ``**`` for any number of them is that of the node."""
    parts = re.split(r"(\*\*|\*)", pattern)
    signs = {"**": ".*", "*": "[^/]*"}
    return re.fullmatch("".join(signs.get(part, re.escape(part)) for part in parts), node) is not None
