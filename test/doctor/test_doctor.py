"""Each thing that keeps a robot from working is found, with what to do about it."""

import json
from pathlib import Path

import jsonschema
import pytest
from support import ROOT
from support.tiny_network import write_tiny
from typer.testing import CliRunner

from distillmatch_ros import __version__
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.cli.schemas import schema
from distillmatch_ros.doctor import examination, host, runtimes
from distillmatch_ros.doctor.finding import FAULT, NOTE, OK, Finding
from distillmatch_ros.engines.registry import Runtime
from distillmatch_ros.ros.transport import OWN_CHOICE, VARIABLES

WITHOUT_CHOICE = {"ROS_DISTRO": "jazzy"}


def by_name(findings: object) -> dict[str, Finding]:
    return {finding.about: finding for finding in findings}  # type: ignore[attr-defined]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.onnx")


def test_the_page_names_what_a_bug_report_needs(network: Path) -> None:
    found = examination.examine(network, {})
    page = by_name(found.findings)
    assert page["distillmatch_ros"].value == __version__
    assert {"Python", "libraries", "processor", "network", "backend: auto", "GPU", "clock"} <= page.keys()
    assert page["ONNX Runtime"].state == OK and "fp32" in page["ONNX Runtime"].value
    assert found.verdict == max((each.state for each in found.findings), key=[OK, NOTE, FAULT].index)


def test_command_writes_json_that_fits_its_schema(network: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--model", str(network), "--json", "-"])
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema("doctor"), jsonschema.Draft202012Validator)
    assert result.exit_code == (record["verdict"] == FAULT)


def test_damaged_network_is_a_fault_and_a_missing_runtime_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for path in (tmp_path / "bad.onnx", tmp_path / "absent.onnx"):
        page = by_name(runtimes.examine(path))
        assert page["network"].state == FAULT and path.name in page["network"].value
    result = CliRunner().invoke(app, ["doctor", "--model", str(tmp_path / "bad.onnx")])
    assert result.exit_code == 1 and "fault" in result.stdout


def test_runtime_that_rejects_the_network_is_a_fault(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rejects(runtime: Runtime, path: Path, threads: int | None = None) -> None:
        raise DistillMatchError("its library does not load")

    monkeypatch.setattr(Runtime, "open", rejects)
    assert by_name(runtimes.examine(network))["OpenVINO"].state == FAULT


def test_a_part_that_fails_leaves_the_others(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> None:
        raise OSError("no device")

    monkeypatch.setattr(host, "examine", breaks)
    page = by_name(examination.examine(network, {}).findings)
    assert page["host"].state == FAULT and "no device" in page["host"].value
    assert page["Python"].state == OK


def test_ros_from_two_sources_is_a_fault() -> None:
    pytest.importorskip("rclpy")
    if examination._installed("ros-rclpy") is None:
        pytest.skip("ROS is not here as wheels")
    mixed = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
    assert [each.state for each in examination.ros(mixed)] == [OK, FAULT]


def test_ros_that_is_not_here_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise DistillMatchError("this needs ROS 2")

    monkeypatch.setattr(examination, "require_ros", absent)
    assert [each.state for each in examination.ros({})] == [NOTE]


def test_transport_profile_in_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shipped,) = examination.transport(WITHOUT_CHOICE)
    assert str(ROOT / "config/fastdds.xml") in shipped.value and shipped.remedy is not None
    (absent,) = examination.transport({**WITHOUT_CHOICE, VARIABLES[0]: "/absent.xml"})
    assert absent.state == FAULT and "/absent.xml" in absent.value
    (tmp_path / "own.xml").touch()
    (own,) = examination.transport({**WITHOUT_CHOICE, VARIABLES[1]: "own.xml"})
    assert own.state == OK and "own.xml" in own.value
    (other,) = examination.transport({**WITHOUT_CHOICE, "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"})
    assert other.state == NOTE
    for name in OWN_CHOICE:
        assert not any(
            "shipped" in each.value for each in examination.transport({name: "", **WITHOUT_CHOICE})
        )


@pytest.mark.parametrize(("free_mb", "state"), [(60, FAULT), (200, OK)])
def test_shared_memory_of_a_container(
    free_mb: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(host.shutil.disk_usage("/"))(64 * host.MB, 0, free_mb * host.MB)
    monkeypatch.setattr(host.shutil, "disk_usage", lambda folder: usage)
    (found,) = host.shared_memory(tmp_path)
    assert found.state == state and f"{free_mb} of 64 MB" in found.value
    (none,) = host.shared_memory(tmp_path / "absent")
    assert none.state == NOTE


@pytest.mark.parametrize(
    ("stepped", "synchronised", "state"),
    [(0.0, 0, OK), (0.0, host.UNSYNCHRONISED, NOTE), (0.0, None, OK), (-0.5, 0, FAULT)],
)
def test_clock(stepped: float, synchronised: int | None, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_stepped", lambda: stepped)
    monkeypatch.setattr(host, "_synchronisation", lambda: synchronised)
    assert host.clock().state == state


def test_a_clock_that_runs_is_not_set() -> None:
    assert abs(host._stepped()) < host.LARGEST_STEP_S


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    assert host.cache(tmp_path / "new").state == OK
    (tmp_path / "file").touch()
    found = host.cache(tmp_path / "file/below")
    assert found.state == FAULT and str(tmp_path / "file") in found.value


@pytest.mark.parametrize(
    ("answer", "code", "state"), [("NVIDIA H, 580, 141 GiB, 9.0", 0, OK), ("no devices", 9, FAULT)]
)
def test_gpu(answer: str, code: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (found,) = runtimes.gpu(tmp_path / "absent")
    assert found.state == state and answer in found.value
    program.unlink()
    (none,) = runtimes.gpu(tmp_path / "absent")
    assert none.state == OK
