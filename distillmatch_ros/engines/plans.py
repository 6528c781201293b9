"""The cache of TensorRT plans: keys, validity, locking.

A plan is machine code: only those in the user's own cache, or named by the user, are loaded. Each has a JSON
sidecar of the same name with what it was built from and for, its size and SHA-256.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import cache_folder, locked, write_bytes
from distillmatch_ros.engines.onnx_file import OnnxFile

SCHEMA = 1
"""Version of the sidecar format and of the build procedure; a change causes a rebuild."""
BUILD_AGAIN = "build it again with `distillmatch build-engine`"

OnProgress = Callable[[str, int, int], None]
"""Called from the builder's threads with a phase, its finished steps and all its steps."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machine:
    """The only kind of machine that a plan runs on.

    Attributes:
        tensorrt: version of TensorRT.
        gpu: name of the GPU.
        compute_capability: such as ``8.7``.
    """

    tensorrt: str
    gpu: str
    compute_capability: str

    def __str__(self) -> str:
        return f"{self.gpu} (compute capability {self.compute_capability}) with TensorRT {self.tensorrt}"


@dataclass(frozen=True)
class BuildOptions:
    """Effort of the builder.

    Attributes:
        level: 0 to 5; higher levels search longer for faster kernels.
        workspace_mib: GPU memory for a kernel's temporary data, MiB; on a Jetson it is shared with the CPU.
    """

    level: int = 3
    workspace_mib: int = 1024


@dataclass(frozen=True)
class Key:
    """Everything that a plan depends on; shapes and precision are part of the network's file.

    Attributes:
        network: SHA-256 of the ONNX file.
        machine: machine it was built for.
        options: build options.
        flags: names of the builder flags.
        schema: version of the sidecar; see `SCHEMA`.
    """

    network: str
    machine: Machine
    options: BuildOptions
    flags: tuple[str, ...]
    schema: int = SCHEMA


@dataclass(frozen=True)
class Plan:
    """A built engine.

    Attributes:
        path: path of the plan.
        data: serialised TensorRT engine.
        key: what it was built from and for.
        metadata: metadata of the ONNX file it was built from.
    """

    path: Path
    data: bytes
    key: Key
    metadata: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read a plan and its sidecar.

        Raises:
            DistillMatchError: one of them is missing or damaged, or another version wrote them.
        """
        try:
            data = path.read_bytes()
            sidecar = json.loads(_sidecar(path).read_bytes())
            key = sidecar["key"]
            found = Key(
                key["network"],
                Machine(**key["machine"]),
                BuildOptions(**key["options"]),
                tuple(key["flags"]),
                key["schema"],
            )
            metadata, sha256 = dict(sidecar["metadata"]), sidecar["plan_sha256"]
        except OSError as error:
            raise DistillMatchError(
                f"{error.filename}: cannot be read ({error.strerror}); a plan is two files, .plan and .json: "
                f"{BUILD_AGAIN}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DistillMatchError(
                f"{_sidecar(path)}: is not the sidecar of a plan; {BUILD_AGAIN}"
            ) from error
        if found.schema != SCHEMA:
            raise DistillMatchError(f"{path}: another version of this package built it; {BUILD_AGAIN}")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DistillMatchError(f"{path}: is damaged; {BUILD_AGAIN}")
        return cls(path, data, found, metadata)

    def write(self) -> None:
        """Write plan and sidecar. A concurrent reader gets the old ones, or rejects them as damaged."""
        sidecar = {
            "key": asdict(self.key),
            "plan_sha256": hashlib.sha256(self.data).hexdigest(),
            "metadata": self.metadata,
        }
        write_bytes(self.path, self.data)
        write_bytes(_sidecar(self.path), json.dumps(sidecar, indent=2).encode())


class PlanCache:
    """The plans this user has built: one for each network and machine."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder, by default the user's; see `cache_folder`."""
        self.folder = folder or cache_folder()

    def path(self, network: OnnxFile, machine: Machine) -> Path:
        """Path of the plan of a network for a machine, which may not be built yet."""
        identity = repr((network.sha256(), machine, SCHEMA))
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        return self.folder / f"{_slug(network.info.config)}-{_slug(network.info.precision)}-{digest}.plan"

    def timing_path(self, machine: Machine) -> Path:
        """Path of the builder's timing measurements, which shorten the next build."""
        return (
            self.folder / f"{_slug(f'{machine.gpu}-{machine.compute_capability}-{machine.tensorrt}')}.timing"
        )

    def find(self, network: OnnxFile, machine: Machine) -> Plan | None:
        """The plan of a network for a machine, built with any options. A damaged one is logged."""
        path = self.path(network, machine)
        if not path.exists():
            return None
        try:
            plan = Plan.read(path)
        except DistillMatchError as error:
            _log.warning("%s", error)
            return None
        if (plan.key.network, plan.key.machine) != (network.sha256(), machine):
            _log.warning("%s: was built from or for something else; %s", path, BUILD_AGAIN)
            return None
        return plan

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the lock for building: one process at a time, others wait.

        Raises:
            DistillMatchError: the folder cannot be written (detected before a build of minutes).
        """
        with locked(self.folder, "another process is building an engine; waiting for it"):
            yield

    def read_timing(self, machine: Machine) -> bytes:
        """Timing measurements of earlier builds, or empty bytes."""
        path = self.timing_path(machine)
        return path.read_bytes() if path.exists() else b""

    def write_timing(self, machine: Machine, measured: bytes) -> None:
        """Store the timing measurements of a build."""
        write_bytes(self.timing_path(machine), measured)


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", text)
