"""Settings for colcon (ament_python); everything else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "distillmatch_ros"
SHARE = f"share/{NAME}"


def version() -> str:
    """Version of the package, read from its ``__init__.py``."""
    found = re.search(r'^__version__ = "(.+)"$', Path(NAME, "__init__.py").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Install rules for all files of a folder, with the same relative paths under ``share``."""
    files = sorted(
        path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".")
    )
    return [(f"{SHARE}/{path.parent.as_posix()}", [path.as_posix()]) for path in files]


setup(
    name=NAME,
    version=version(),
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed", "demo/templates/*", "fleet/templates/*", "reports/templates/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        *shared("config"),
        *shared("launch"),
        *shared("models"),
    ],
    entry_points={
        "console_scripts": [
            "distillmatch = distillmatch_ros.cli:main",
            "fusion_node = distillmatch_ros.ros.fusion_node:main",
        ]
    },
    zip_safe=False,
)
