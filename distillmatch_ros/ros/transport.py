"""Transport of images between processes: a FastDDS profile with large buffers, unless the user chose one."""

from collections.abc import Mapping
from pathlib import Path

from distillmatch_ros.base import resources

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Environment variables for a profile, of FastDDS 2 and of FastDDS 3."""
OWN_CHOICE = (*VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS", "SKIP_DEFAULT_XML_FILE")
"""Variables by which a user chooses the transport; an empty value keeps FastDDS's default."""
OWN_FILES = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
"""Profiles that FastDDS reads from the working directory."""


def profile() -> Path:
    """The profile that ships with the package.

    Raises:
        DistillMatchError: this installation does not hold it.
    """
    return resources.find("config/fastdds.xml")


def variables_to_set(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables to set before joining a ROS graph, so that large images are delivered.

    By default FastDDS transfers messages between processes of a host through 512 KB of shared memory, less
    than a colour image of 640x512. Other middleware ignores these variables.

    Args:
        environment: environment of the process.

    Returns:
        Variables to add; empty if the user chose a transport.
    """
    chosen = any(name in environment for name in OWN_CHOICE) or any(Path(name).exists() for name in OWN_FILES)
    return {} if chosen else shipped()


def shipped() -> dict[str, str]:
    """Environment variables that choose the shipped profile.

    Raises:
        DistillMatchError: this installation does not hold it.
    """
    return dict.fromkeys(VARIABLES, str(profile()))


def before_a_command(variables: Mapping[str, str]) -> str:
    """Environment variables as one writes them before a command."""
    return " ".join(f"{name}={value}" for name, value in variables.items())
