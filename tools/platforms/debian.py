"""Another Debian in a folder, from the archive of this machine's own apt, and processors that it emulates."""

import ast
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.platforms.places import INSIDE, Place

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PACKAGES = "python3,python3-venv"
EMULATOR_RELEASE = "trixie"
"""Release whose QEMU runs ONNX Runtime: that of Debian 12 (7.2) crashes when it is imported."""
BINFMT = Path("/proc/sys/fs/binfmt_misc")
AARCH64 = (
    r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
)
"""Head of a program for arm64, and which of its bits count."""
ENTRY = "distillmatch-aarch64"
COPIED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
"""Not the package ca-certificates: an emulated processor sorts its files for a quarter of an hour."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class UnavailableError(Exception):
    """This machine does not allow what a platform needs; the reason."""


def unpack(release: str, machine: str, folder: Path) -> Place:
    """Unpack a release of Debian with Python below a folder, once, and say how to run commands in it.

    Raises:
        UnavailableError: without root, mounts, apt or its archive.
    """
    check_allowed()
    root = folder / f"{release}-{machine}"
    if not root.is_dir():
        begun = folder / f"{root.name}.part"
        shutil.rmtree(begun, ignore_errors=True)
        program, scripts = debootstrap(folder)
        command = [program, f"--arch={ARCHITECTURES[machine]}", "--variant=minbase", f"--include={PACKAGES}"]
        with (folder / f"{root.name}.log").open("w") as log:
            code = subprocess.run(
                [*command, release, str(begun), archive()],
                env={**os.environ, **scripts},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            ).returncode
        if code:
            raise UnavailableError(f"debootstrap fails with exit code {code}, see {log.name}")
        begun.rename(root)
    for name in filter(os.path.exists, COPIED):
        copy = root / name.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, copy)
    checks = root / INSIDE.lstrip("/")
    shutil.rmtree(checks, ignore_errors=True)
    checks.mkdir()
    return Place(
        checks, root, {**pip_settings(), **{name: os.environ[name] for name in PROXIES if name in os.environ}}
    )


def check_allowed() -> None:
    """Whether a chroot can be made here, with mounts of its own.

    Raises:
        UnavailableError: it cannot, and why.
    """
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        raise UnavailableError("another Debian comes by Debian's apt, which is not here")
    if os.geteuid() != 0:
        raise UnavailableError("a chroot needs root")
    if subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    ).returncode:
        raise UnavailableError("mounts are not allowed here")


def archive() -> str:
    """Address of Debian's archive, as this machine's apt has it.

    Raises:
        UnavailableError: it has none.
    """
    columns = "$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", columns, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        if line.startswith("Debian Debian main "):
            return line.split()[-1]
    raise UnavailableError("apt knows no archive of Debian; apt-get update may help")


def debootstrap(folder: Path) -> tuple[str, dict[str, str]]:
    """The program, installed here or unpacked below a folder, and the variables that it needs."""
    if installed := shutil.which("debootstrap"):
        return installed, {}
    own = folder / "debootstrap"
    if not own.is_dir():
        take_package("debootstrap", own)
    return str(own / "usr/sbin/debootstrap"), {"DEBOOTSTRAP_DIR": str(own / "usr/share/debootstrap")}


def take_package(name: str, folder: Path) -> None:
    """Unpack a package of this machine's release without installing it."""
    folder.mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "download", name], cwd=folder, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        folder.rmdir()
        raise UnavailableError(f"apt-get download {name}: {error.stderr.strip().splitlines()[-1]}") from error
    for file in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(file), str(folder)], check=True)


def pip_settings() -> dict[str, str]:
    """How pip reaches its index here, as variables; what names files of this machine is left out."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found = {}
    for line in listed.stdout.splitlines():
        name, _, quoted = line.partition("=")
        value = str(ast.literal_eval(quoted))
        if "file:" not in value and (not value.startswith("/") or value in COPIED):
            found[f"PIP_{name.rsplit('.', 1)[-1].upper().replace('-', '_')}"] = value
    return found


@contextmanager
def emulated(machine: str, folder: Path) -> Iterator[None]:
    """Let the kernel run programs of another processor meanwhile, by QEMU from a recent release of Debian.

    Raises:
        UnavailableError: the kernel does not allow it.
    """
    if machine == platform.machine():
        yield
        return
    program = emulator(folder)
    mounted = (BINFMT / "register").exists()
    if not mounted:
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise UnavailableError("the kernel runs no programs of other processors here (binfmt_misc)")
    try:
        register(program)
        yield
    finally:
        remove_entry()
        if not mounted:
            subprocess.run(["umount", str(BINFMT)], capture_output=True, check=False)


def register(program: Path) -> None:
    """Name the emulator to the kernel.

    Raises:
        UnavailableError: it may not be named.
    """
    try:
        remove_entry()  # of a run that was killed
        # F: the kernel keeps the program open, so that it need not be in the chroot.
        (BINFMT / "register").write_text(f":{ENTRY}:M::{AARCH64[0]}:{AARCH64[1]}:{program}:F")
    except OSError as error:
        raise UnavailableError(f"binfmt_misc cannot be written ({error.strerror})") from error


def remove_entry() -> None:
    if (BINFMT / ENTRY).exists():
        (BINFMT / ENTRY).write_text("-1")


def emulator(folder: Path) -> Path:
    """QEMU as one static program, taken from the release that has it."""
    place = unpack(EMULATOR_RELEASE, platform.machine(), folder)
    assert place.root is not None
    program = place.root / "qemu/usr/bin/qemu-aarch64"
    if not program.exists():
        script = "apt-get -q update && apt-get -q download qemu-user && dpkg -x qemu-user_*.deb /qemu"
        done = place.run("sh", "-c", script)
        if done.code:
            raise UnavailableError(f"QEMU cannot be had from {EMULATOR_RELEASE}: {done.last}")
    return program
