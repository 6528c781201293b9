"""Pages that are made of other files or of the code when the site is built: `make docs` calls this."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "models/MODEL_CARD.md": "model-card.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Files of the checkout that are pages of the site."""
LINK = re.compile(r"(?P<text>!?\[[^]]*\])\((?P<target>[^)#][^):]*)\)")
"""A link or picture that is neither a URL nor within its page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not written by hand."""
    for source, page in {**dict(copied()), "reference/cli.md": command_line(), **dict(schemas())}.items():
        files.append(File.generated(config, source, content=page))
    return files


def copied() -> Iterator[tuple[str, str]]:
    """Pages that GitHub shows beside the code: the same text, with links that hold within the site."""
    for source, target in PAGES.items():
        folder = Path(source).parent

        def relink(match: re.Match[str], folder: Path = folder) -> str:
            path, hash_sign, anchor = match["target"].partition("#")
            inside = os.path.normpath(folder / path)
            if inside in PAGES:
                return f"{match['text']}({PAGES[inside]}{hash_sign}{anchor})"
            if inside.startswith("docs/"):
                return f"{match['text']}({inside.removeprefix('docs/')}{hash_sign}{anchor})"
            return match["text"].strip("[]")  # it is in the checkout alone

        text = (ROOT / source).read_text(encoding="utf-8")
        yield target, LINK.sub(relink, text)


def command_line() -> str:
    """All commands with their options, from the program itself."""
    shown = subprocess.run(
        [
            *(sys.executable, "-m", "typer", "distillmatch_ros.cli.commands"),
            *("utils", "docs", "--name", "distillmatch"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.replace("# `distillmatch`", "# Command line", 1)


def schemas() -> Iterator[tuple[str, str]]:
    """JSON Schemas, a file each, of what commands write and of the parameter file."""
    from distillmatch_ros.cli.schemas import SCHEMAS, schema

    for name in SCHEMAS:
        yield f"reference/schemas/{name}.json", json.dumps(schema(name), indent=2) + "\n"
