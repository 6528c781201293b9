"""What was recorded of the node's topics is what a report reads."""

import html
import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from support.bags import INFO, RGB, THERMAL, Drive, header, texture, write_bag
from typer.testing import CliRunner

from distillmatch_ros import __version__
from distillmatch_ros.bags.provenance import read_provenance
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli import app
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.reports import bag_images, from_bag
from distillmatch_ros.reports.from_bag import HOMOGRAPHY, STATUS, read_bag
from distillmatch_ros.reports.page import Report
from distillmatch_ros.reports.recording import REJECTED
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.history import rig_figures
from distillmatch_ros.stream.messages import Messages

SIZE = (64, 80)


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


def register(bag: Path, out: Path, model: str, *more: str) -> Path:
    arguments = ["bag", str(bag), str(out), "--rgb", RGB, "--thermal", THERMAL, "--model", model, *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return out


def test_a_bag_says_all_that_a_report_needs(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=5))
    out = register(bag, tmp_path / "out.mcap", model, "--set", "min_inliers=7")
    found = read_bag(out, bag)
    assert [entry.number for entry in found.entries] == [1, 2, 3, 4, 5]
    assert [entry.seconds for entry in found.entries] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    for entry in found.entries:
        assert entry.registered and entry.matches == entry.inliers > 90 and entry.skew_ms == 2.0
        assert entry.visible_size == entry.thermal_size == SIZE
        assert entry.homography is not None and entry.latency_ms is not None and entry.latency_ms > 0
        assert entry.correspondences is not None and entry.correspondences.inliers.all()
    about = dict(found.about)
    assert about["topics"] == f"{RGB}, {THERMAL}" and about["camera images"] == str(bag)
    assert about["cameras"] == "visible 80 x 64, thermal 80 x 64"
    assert about["settings"] == f"model={model}, min_inliers=7"
    assert about["registered by"] == f"distillmatch {__version__}" and "cores" in about["machine"]
    assert found.frames == {"visible": 5, "thermal": 5} and not found.live and not found.problems
    images = found.load(found.entries[3:])
    assert list(images) == [4, 5] and images[4].thermal is not None and images[4].visible is not None
    np.testing.assert_array_equal(images[4].visible[..., 0], texture(3, SIZE))
    np.testing.assert_array_equal(images[4].thermal, 29000 + 8 * texture(3, SIZE).astype(np.uint16))


@pytest.mark.slow
def test_pictures_have_a_scale_where_the_bag_was_registered_in_degrees(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=2))
    registered = {}
    for name, settings in (("counts", ()), ("degrees", ("--set", "temperature=boson"))):
        register(bag, tmp_path / f"{name}.mcap", model, *settings)
        html_text = Report(read_bag(tmp_path / f"{name}.mcap", bag)).to_html()
        registered[name] = "degrees Celsius in pair 1" in html_text
        with Bag(tmp_path / f"{name}.mcap") as out:
            image = next(out.messages(("/distillmatch/thermal_registered/image",))).message
        assert image.encoding == ("32FC1" if settings else "16UC1")
    assert registered == {"counts": False, "degrees": True}


def test_the_source_is_opened_once_and_each_image_decoded_once(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=5))
    out = register(bag, tmp_path / "out.mcap", model)
    opened, decoded = Mock(wraps=Bag), Mock(wraps=ros2_messages().to_frame)
    for module in (from_bag, bag_images):
        monkeypatch.setattr(module, "Bag", opened)
    monkeypatch.setattr(Messages, "to_frame", lambda _, message: decoded(message))
    found = read_bag(out, bag)
    assert not decoded.called and [call.args for call in opened.call_args_list] == [(out,)]
    images = found.load(found.entries)
    assert len(images) == 5 and decoded.call_count == 10
    assert [call.args for call in opened.call_args_list] == [(out,), (bag,)]
    shared = [replace(entry, thermal_stamp=found.entries[0].thermal_stamp) for entry in found.entries]
    decoded.reset_mock()
    assert len(found.load(shared)) == 5 and decoded.call_count == 6


def test_without_a_source_the_recorded_overlays_are_shown(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=3))
    for name in ("overlay", "overlay/compressed"):
        out = register(
            bag, tmp_path / f"{name.replace('/', '_')}.mcap", model, "--only", "homography", "--only", name
        )
        found = read_bag(out)
        images = found.load(found.entries[1:2])
        assert list(images) == [2] and images[2].visible is None
        assert images[2].overlay is not None and images[2].overlay.shape == (*SIZE, 3)
        assert found.entries[0].registered and found.entries[0].correspondences is None
    nothing = read_bag(register(bag, tmp_path / "h.mcap", model, "--only", "homography"))
    assert nothing.load(nothing.entries) == {} and "cameras" not in dict(nothing.about)


def write_recording(path: Path) -> Path:
    """A recorder's: images, then homographies 30 ms later, of which the second rejects; no status."""
    messages = ros2_messages()
    with BagWriter(path, ros2_types()) as writer:
        for number in range(3):
            stamp = (number + 1) * 10**8
            for topic, image, encoding in (
                (RGB, np.full((*SIZE, 3), number, np.uint8), "bgr8"),
                (THERMAL, np.full(SIZE, number, np.uint16), "16UC1"),
            ):
                writer.write(topic, stamp + 10**6, messages.image(Frame(image, encoding, stamp, "rgb")))
            matrix = np.full((3, 3), np.nan) if number == 1 else np.eye(3)
            late = stamp + 31 * 10**6
            writer.write(HOMOGRAPHY, late, messages.image(Frame(matrix, "64FC1", stamp, "rgb")))
    return path


def test_a_recording_of_the_node_tells_of_its_rig_by_its_diagnostics(tmp_path: Path) -> None:
    types = ros2_types().types
    event = RigEvent(10**8, Finding.KNOWN, "the rig is known", 11, 4.0)
    values = [types["diagnostic_msgs/msg/KeyValue"](*each) for each in rig_figures(event, "maps")]
    status = types["diagnostic_msgs/msg/DiagnosticStatus"](0, "distillmatch", "ok", "", values)
    written = write_recording(tmp_path / "live.mcap")
    assert not read_bag(written).rig.is_told
    with Bag(written) as bag:
        kept = [(each.topic, each.received, each.message) for each in bag.messages(tuple(bag.topics))]
    with BagWriter(tmp_path / "told.mcap", ros2_types()) as writer:
        for topic, received, message in kept:
            writer.write(topic, received, message)
        stamp = 12 * 10**8
        told = types["diagnostic_msgs/msg/DiagnosticArray"](header(stamp, ""), [status])
        writer.write("/diagnostics", stamp, told)
    found = read_bag(tmp_path / "told.mcap")
    assert found.rig.known is not None
    assert found.rig.known.seconds == pytest.approx(1.1) and found.rig.known.passes == 11
    assert "known after 11 passes" in Report(found).to_html()


def test_a_recording_of_the_node_tells_latency_and_holds_its_images(tmp_path: Path) -> None:
    found = read_bag(write_recording(tmp_path / "live.mcap"))
    assert [entry.latency_ms for entry in found.entries] == [30.0, 30.0, 30.0] and found.live
    assert [entry.status for entry in found.entries] == ["OK", REJECTED, "OK"]
    assert found.entries[1].homography is None and found.entries[0].visible_size == SIZE
    images = found.load(found.entries)
    assert [int(images[number].thermal.max()) for number in (1, 2, 3)] == [0, 1, 2]  # type: ignore[union-attr]


def test_undistorted_pairs_are_shown_undistorted(model: str, tmp_path: Path) -> None:
    drive = Drive(pairs=2)
    infos = []
    for each in drive.messages():
        if each.topic == INFO:
            each.message.d[:] = (-0.3, 0.1, 0, 0, 0)
            infos += [each, replace(each, topic="/thermal/camera_info")]
    bag = write_bag(tmp_path, "mcap", [*infos, *(each for each in drive.messages() if each.topic != INFO)])
    out = register(bag, tmp_path / "out.mcap", model, "--set", "undistort=true")
    (shown, *_) = read_bag(out, bag).load(read_bag(out).entries).values()
    assert shown.visible is not None and shown.visible.shape == (*SIZE, 3)
    assert np.abs(shown.visible[..., 0].astype(int) - texture(0, SIZE)).max() > 20


def test_a_truncated_recording_is_told_on_page_and_terminal_in_json_and_exit_code(
    model: str, tmp_path: Path
) -> None:
    whole = register(write_bag(tmp_path, "mcap", Drive(pairs=5)), tmp_path / "out.mcap", model)
    cut, page, record = tmp_path / "cut.mcap", tmp_path / "page.html", tmp_path / "report.json"
    for path, code in ((whole, 0), (cut, 1)):
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
        arguments = ["report", str(path), "--out", str(page), "--json", str(record), "--overwrite"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        problems = json.loads(record.read_text())["problems"]
        assert bool(problems) is bool(code)
        for problem in problems:
            assert problem in result.stderr.replace("\n", "") and html.escape(problem) in page.read_text()


def test_what_is_no_recording_is_told(tmp_path: Path, model: str) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=1))
    with pytest.raises(DistillMatchError, match="holds no /distillmatch/homography"):
        read_bag(bag)
    part = register(bag, tmp_path / "part.mcap", model, "--only", "status")
    with pytest.raises(DistillMatchError, match="--only homography"):
        read_bag(part)
    out = register(bag, tmp_path / "out.mcap", model)
    with pytest.raises(DistillMatchError, match="--rgb /wrong is no image topic"):
        read_bag(out, bag, rgb="/wrong")
    assert read_provenance(tmp_path / "absent.mcap") == {}
    (tmp_path / "bad.mcap").write_bytes(b"no bag")
    assert read_provenance(tmp_path / "bad.mcap") == {}


def test_status_goes_with_every_pair_of_a_bag(model: str, tmp_path: Path) -> None:
    out = register(write_bag(tmp_path, "mcap", Drive(pairs=2)), tmp_path / "out.mcap", model)
    with Bag(out) as opened:
        (first, _) = [each.message for each in opened.messages((STATUS,))]
    assert first.header == header(ros2_messages().stamp_of(first), "rgb_optical")
    (status,) = first.status
    assert (status.level, status.name, status.message) == (0, "registration", "OK")
    values = {value.key: value.value for value in status.values}
    assert values | {"probability": ""} == {
        "matches": "100",
        "inliers": "100",
        "skew_ms": "2.0",
        "thermal_stamp": str(ros2_messages().stamp_of(first) + 2_000_000),
        "visible_size": "80x64",
        "thermal_size": "80x64",
        "probability": "",
    }
