"""Rendering of pages: HTML documents of one file that need no network connection."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from distillmatch_ros import __version__
from distillmatch_ros.reports import contents


def render(template: str, values: Mapping[str, Any], loader: BaseLoader | None = None) -> str:
    """Render a page as a complete HTML document.

    Args:
        template: name of a template that extends ``page.html.j2``.
        values: its variables; all text is escaped.
        loader: loader of the template if it is not one of this package.
    """
    return _environment(loader).get_template(template).render({"version": __version__, **values})


def _environment(loader: BaseLoader | None) -> Environment:
    own = PackageLoader("distillmatch_ros.reports")
    environment = Environment(
        loader=ChoiceLoader([own, *([loader] if loader else [])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def source(name: str) -> Markup:
        return Markup(environment.loader.get_source(environment, name)[0])  # type: ignore[union-attr]

    def digest(text: str) -> str:
        return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

    environment.globals.update(source=source, digest=digest)
    environment.filters["figure"] = contents.figure
    return environment
