"""What a user reads names nothing that only a checkout has."""

import ast
import re
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "distillmatch_ros"
CHECKOUT = re.compile(
    r"docs/|README|CONTRIBUTING|MODEL_CARD|see config/|(?<!shipped )(?<!shipped `)config/\w+/?\w*\.(yaml|xml)"
)
SHIPPED = {"YAML", "EXAMPLE", "PAGE"}
"""Constants that name shipped files for `base.resources`, and a page that the checkout alone writes."""


def spoken(tree: ast.Module) -> list[str]:
    """Texts of a module that are neither documentation nor such a constant, nor looked up as a resource."""
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(node.value)
        elif isinstance(node, ast.Assign):
            names = {
                name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
            if names <= SHIPPED:
                silent.update(ast.walk(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("find", "locate"):
            silent.update(argument for argument in node.args)
    return [
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent
    ]


@pytest.mark.parametrize(
    "module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_messages_point_to_what_an_installed_wheel_has(module: Path) -> None:
    for text in spoken(ast.parse(module.read_text())):
        assert not CHECKOUT.search(text), f"{module}: {text!r}; see base.resources.locate"
