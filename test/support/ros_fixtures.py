"""Each test has a ROS graph of its own: real processes, real DDS, the transport profile that ships."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import ROOT
from support.tiny_network import write_tiny

if TYPE_CHECKING:
    from support.bench import Bench
    from support.ros_process import Process

StartNode = Callable[..., "tuple[Process, Bench]"]


@pytest.fixture(scope="session")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Large images in shared memory, nothing beyond this machine, no logs at home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
            patch.setenv(name, str(ROOT / "config/fastdds.xml"))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose time does not count."""
    return write_tiny(tmp_path_factory.mktemp("network") / "tiny.onnx")


@pytest.fixture
def start(transport: None, network: Path, tmp_path: Path) -> Iterator[StartNode]:
    """Starts a node and a bench on a domain of their own; arguments go to the node."""
    from support.bench import Bench
    from support.ros_process import closing_all, domain, start_node

    with closing_all() as things:

        def run(*arguments: str, model: Path = network) -> "tuple[Process, Bench]":
            own = domain()
            node = start_node(own, tmp_path, "-p", f"model:={model}", *arguments)
            things.append(node)
            bench = Bench(own)
            things.append(bench)
            return node, bench

        yield run


@pytest.fixture(scope="module")
def active(transport: None, network: Path, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Bench]":
    """A bench around a node that is active, for all tests of a module."""
    from support.bench import Bench
    from support.ros_process import closing_all, domain, start_node

    with closing_all() as things:
        own = domain()
        things.append(start_node(own, tmp_path_factory.mktemp("node"), "-p", f"model:={network}"))
        bench = Bench(own)
        things.append(bench)
        bench.see()
        yield bench
