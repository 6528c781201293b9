"""Where the commands of a platform run: on this machine, or in another Debian in a folder of it."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

OWN = ("PYTHONPATH", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
"""Variables that would bring packages of this process's environment into another one."""
INSIDE = "/checks"
"""The working folder, as programs in a chroot see it."""
ENTER = """
mount --rbind /dev "$0/dev"
mount -t tmpfs -o size=1g shm "$0/dev/shm"
mount -t proc proc "$0/proc"
mount -t sysfs -o ro sysfs "$0/sys"
exec chroot "$0" env -i "$@"
"""


@dataclass(frozen=True)
class Done:
    """A command that ended, or was ended after its time.

    Attributes:
        code: its exit code; None if its time was over.
        stdout: what it printed.
        stderr: its messages.
        seconds: how long it took.
    """

    code: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def last(self) -> str:
        """The last line that it said, which is where programs say why they failed."""
        lines = [line for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.code}"


@dataclass(frozen=True)
class Place:
    """A folder in which commands run, relative to which they name their files.

    Attributes:
        folder: the folder, as this process sees it.
        root: root of the other system; None for this one.
        environment: variables of the other system, beside those that any has.
    """

    folder: Path
    root: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, seconds: float = 600) -> Done:
        """Run a command to its end, and all that it started; it fails by its code, not by an exception."""
        if self.root is None:
            given = {name: value for name, value in os.environ.items() if name not in OWN}
        else:
            given = dict(os.environ)
            variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
            pairs = [f"{name}={value}" for name, value in {**variables, **self.environment}.items()]
            there = ["sh", "-c", f'cd {INSIDE} && exec "$@"', "sh", *command]
            own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
            command = (*own, "sh", "-ec", ENTER, str(self.root), *pairs, *there)
        begin = monotonic()
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=seconds)
            code: int | None = process.returncode
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code, stderr = None, f"took more than {seconds:.0f} s"
        return Done(code, stdout, stderr, monotonic() - begin)


def find_python(version: str) -> str | None:
    """An interpreter of a version: on PATH, or among those that pyenv installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: path.stat().st_mtime)
    for candidate in (shutil.which(f"python{version}"), *map(str, reversed(installed))):
        # pyenv puts a program on PATH for each version, also those that it will not start.
        says = "import sys; print('%d.%d' % sys.version_info[:2])"
        if candidate is not None:
            done = subprocess.run([candidate, "-c", says], capture_output=True, text=True, check=False)
            if done.stdout.strip() == version:
                return candidate
    return None
