"""How images travel between processes: a FastDDS profile with room for them, unless the user chose one."""

from collections.abc import Mapping
from pathlib import Path

from distillmatch_ros.base import resources

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Environment variables that name a profile, up to FastDDS 2 and from 3 on."""
OWN_CHOICE = (*VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS", "SKIP_DEFAULT_XML_FILE")
"""Variables by which a user chooses the transport; an empty one leaves FastDDS as it is."""
OWN_FILES = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
"""Profiles that FastDDS reads from the working directory."""


def profile() -> Path:
    """The profile that ships with the package.

    Raises:
        DistillMatchError: this installation does not hold it.
    """
    return resources.find("config/fastdds.xml")


def variables_to_set(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process has to add to its environment, before it joins a ROS graph, so that images get through.

    FastDDS keeps messages between processes of a host in 512 KB of shared memory by default, less than one
    colour image of 640x512. Other middleware does not read these variables.

    Args:
        environment: of the process.

    Returns:
        Nothing where the user chose a transport.
    """
    chosen = any(name in environment for name in OWN_CHOICE) or any(Path(name).exists() for name in OWN_FILES)
    return {} if chosen else dict.fromkeys(VARIABLES, str(profile()))
