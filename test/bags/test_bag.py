"""``distillmatch bag`` and ``calibrate``: the whole way, in processes of their own where it matters."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.bags import (
    FORMATS,
    RGB,
    START,
    THERMAL,
    Drive,
    Message,
    digests,
    header,
    image,
    write_bag,
)
from support.simulated_rig import RIG
from typer.testing import CliRunner, Result

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.cli import app
from distillmatch_ros.reports.from_bag import cloud, read_bag
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.stream.outputs import NODE

TOPICS = ("--rgb", RGB, "--thermal", THERMAL)


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def register(bag: Path, out: Path, model: str, *more: object) -> Result:
    return run("bag", bag, out, *TOPICS, "--model", model, *more)


def counts(path: Path) -> dict[str, int]:
    with Bag(path) as bag:
        return {topic.name.removeprefix(f"{NODE}/"): topic.count for topic in bag.topics.values()}


def test_every_pair_of_a_bag_goes_out_on_the_topics_of_the_node(model: str, tmp_path: Path) -> None:
    out = tmp_path / "out.mcap"
    result = register(write_bag(tmp_path, "mcap", Drive()), out, model)
    assert result.exit_code == 0, result.output
    assert "6 visible, 6 thermal" in result.stdout and "4 TRACKED" in result.stdout
    assert counts(out) == dict.fromkeys(
        (
            "correspondences",
            "homography",
            "status",
            "overlay",
            "thermal_registered/image",
            "thermal_registered/camera_info",
            "thermal_registered/mask",
        ),
        6,
    )
    messages = ros2_messages()
    with Bag(write_bag(tmp_path / "again", "mcap", Drive())) as source, Bag(out) as bag:
        visible = [each.message for each in source.messages((RGB,))]
        thermal = [messages.to_frame(each.message).image for each in source.messages((THERMAL,))]
        for topic in bag.topics:
            found = list(bag.messages((topic,)))
            for number, (each, of) in enumerate(zip(found, visible, strict=True)):
                assert each.message.header == of.header  # stamp and frame of the visible image
                assert each.received == START + number * 10**8 + 5_000_000  # when the pair was there
            if topic.endswith("correspondences"):
                assert len(cloud(found[0].message)) == 100 and cloud(found[0].message)["inlier"].all()
            if topic.endswith("homography"):
                matrix = messages.to_frame(found[0].message)
                assert matrix.encoding == "64FC1"
                np.testing.assert_allclose(matrix.image, np.eye(3), atol=0.02)
            if topic.endswith("thermal_registered/image"):
                for each, raw in zip(found, thermal, strict=True):
                    registered = messages.to_frame(each.message)
                    assert (registered.encoding, registered.image.dtype) == ("16UC1", np.uint16)
                    np.testing.assert_array_equal(registered.image[5:-5, 5:-5], raw[5:-5, 5:-5])
            if topic.endswith("mask"):
                mask = messages.to_frame(found[0].message)
                assert mask.encoding == "mono8" and (mask.image[5:-5, 5:-5] == 255).all()
            if topic.endswith("overlay"):
                assert found[0].message.encoding == "bgr8"


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_bytes(kind: str, model: str, tmp_path: Path) -> None:
    drive = Drive(pairs=3)
    for number, each in enumerate(("mcap", kind)):
        (tmp_path / str(number)).mkdir()
        bag = write_bag(tmp_path / str(number), each, drive)
        result = register(bag, tmp_path / f"{number}.mcap", model, "--threads", 1)
        assert result.exit_code == 0, result.output
    assert digests(tmp_path / "0.mcap") == digests(tmp_path / "1.mcap")


def test_compressed_images_are_told_by_their_type(model: str, tmp_path: Path) -> None:
    for compressed in (False, True):
        (tmp_path / str(compressed)).mkdir()
        bag = write_bag(tmp_path / str(compressed), "mcap", Drive(pairs=3, compressed=compressed))
        assert register(bag, tmp_path / f"{compressed}.mcap", model).exit_code == 0
    assert digests(tmp_path / "False.mcap") == digests(tmp_path / "True.mcap")  # PNG loses nothing


def test_exchanged_topics_are_noted(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(2))
    for number, (rgb, thermal) in enumerate(((RGB, THERMAL), (THERMAL, RGB))):
        out, record = tmp_path / f"{number}.mcap", tmp_path / f"{number}.json"
        named = "--rgb", rgb, "--thermal", thermal, "--model", model
        run("bag", bag, out, *named, "--only", "status", "--json", record)
        (summary,) = json.loads(record.read_text())
        assert len(summary["notes"]) == number and summary["pairs"] == 2


def test_outputs_may_be_chosen(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=2))
    result = register(bag, tmp_path / "o.mcap", model, "--only", "overlay/compressed", "--only", "homography")
    assert result.exit_code == 0
    assert counts(tmp_path / "o.mcap") == {"overlay/compressed": 2, "homography": 2}
    result = register(bag, tmp_path / "p.mcap", model, "--only", "colours")
    assert result.exit_code == 2 and "'colours' is unknown" in result.stderr


def test_frames_without_partner_and_lying_frames_are_counted(model: str, tmp_path: Path) -> None:
    messages = list(Drive(pairs=8, without=[(THERMAL, 2), (RGB, 5)]).messages())
    lying = next(each for each in messages if each.topic == THERMAL)
    lying.message.height = 4000
    result = register(write_bag(tmp_path, "mcap", messages), tmp_path / "o.mcap", model, "--json", "-")
    assert result.exit_code == 1
    (record,) = json.loads(result.stdout)
    assert record["frames"] == {"visible": 7, "thermal": 7}
    assert record["dropped"] == {"visible unmatched": 1, "thermal unmatched": 1, "thermal unreadable": 1}
    assert record["pairs"] == 5 and record["statuses"] == {"OK": 2, "TRACKED": 3}
    assert "an image of the thermal camera" in record["problems"][0] and "4000" in result.stderr
    assert len(read_bag(tmp_path / "o.mcap").entries) == 5


def test_rejected_pair_has_an_output_that_says_so(model: str, tmp_path: Path) -> None:
    messages = list(Drive(pairs=3).messages())
    stamp = START + 10**8 + 2_000_000
    blank = image(np.zeros((64, 80), np.uint16), "16UC1", stamp, "thermal_optical")
    messages = [
        Message(each.topic, each.received, blank)
        if each.topic == THERMAL and each.message.header == header(stamp, "thermal_optical")
        else each
        for each in messages
    ]
    out = tmp_path / "o.mcap"
    result = register(write_bag(tmp_path, "mcap", messages), out, model)
    assert result.exit_code == 0 and "1 FEW_MATCHES" in result.stdout
    assert [output.homography is None for output in read_bag(out).entries] == [False, True, False]
    assert counts(out)["thermal_registered/image"] == counts(out)["thermal_registered/camera_info"] == 2
    assert counts(out)["overlay"] == counts(out)["correspondences"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "ros1"])
def test_truncated_bag_gives_what_can_be_read_and_exits_1(kind: str, model: str, tmp_path: Path) -> None:
    drive = Drive(pairs=30)
    path = write_bag(tmp_path, kind, drive)
    file = path if path.is_file() else next(each for each in path.iterdir() if each.suffix != ".yaml")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 4])
    result = register(path, tmp_path / "out.mcap", model)
    assert result.exit_code == 1, result.output
    assert "breaks off after" in result.stderr and str(path) in result.stderr
    assert 5 < len(read_bag(tmp_path / "out.mcap").entries) < 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("absent.mcap out.mcap", "absent.mcap: no such bag"),
        ("mcap out.mcap --rgb /colour --thermal /thermal/image", "--rgb /colour is no image topic"),
        ("mcap out.mcap --rgb /rgb/image --thermal /rgb/image", "are both /rgb/image"),
        ("mcap mcap mcap out.mcap --rgb /rgb/image --thermal /thermal/image", "name a folder"),
        ("mcap mcap out --rgb /rgb/image --thermal /thermal/image", "same name"),
        ("mcap there.mcap --rgb /rgb/image --thermal /thermal/image", "there.mcap: exists already"),
        ("mcap out.mcap --set tolerance", "has no value"),
        ("mcap out.mcap --set tolerance=fast", "tolerance"),
        ("mcap out.mcap --set patience=3", "--set patience=3: parameter patience is unknown; see /"),
        ("mcap out.mcap --set tolerence=0.1", "parameter tolerence is unknown; did you mean tolerance?"),
        (
            "mcap out.mcap --params typo.yaml",
            "typo.yaml: parameter overlai is unknown; did you mean overlay",
        ),
        ("mcap out.mcap --params empty.yaml", "empty.yaml: holds no parameters of a node; see /"),
        ("mcap out.mcap --params list.yaml", "list.yaml: holds no parameters of a node; see /"),
        ("mcap out.mcap --params absent.yaml", "absent.yaml: cannot be read"),
        ("mcap out.mcap --params there.mcap", "there.mcap"),
    ],
)
def test_wrong_use_exits_2_and_writes_nothing(
    arguments: str, message: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path, "mcap", Drive(pairs=1))
    Path("there.mcap").write_bytes(b"\xff")
    Path("typo.yaml").write_text("/**:\n  ros__parameters: {overlai: edges}\n")
    Path("empty.yaml").write_text("# tolerance: 0.1\n")
    Path("list.yaml").write_text("- tolerance: 0.1\n")
    result = run("bag", *arguments.split(), "--model", model)
    assert result.exit_code == 2, result.output
    assert message in result.stderr and result.stderr.startswith("error: ")
    assert not Path("out.mcap").exists() and not Path("out.mcap.part").exists()


def test_parameters_are_the_nodes(model: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", Drive(pairs=4))
    (tmp_path / "p.yaml").write_text(
        "/**:\n  ros__parameters:\n    tolerance: 0.001\n    overlay: edges\n    use_sim_time: true\n"
        "    qos_overrides: {/rgb/image: {subscription: {depth: 10}}}\n"
    )
    result = register(bag, tmp_path / "a.mcap", model, "--params", tmp_path / "p.yaml", "--json", "-")
    (record,) = json.loads(result.stdout)
    assert record["pairs"] == 0 and record["dropped"] == {"visible unmatched": 4, "thermal unmatched": 4}
    result = register(
        bag, tmp_path / "b.mcap", model, "--params", tmp_path / "p.yaml", "--set", "thermal_offset=-0.002",
        "--json", "-",
    )  # fmt: skip
    (record,) = json.loads(result.stdout)
    assert record["pairs"] == 4 and result.exit_code == 0


def test_a_rig_of_other_images_is_refused_before_work(model: str, tmp_path: Path) -> None:
    rig, out = tmp_path / "rig.yaml", tmp_path / "out.mcap"
    RigFile.of(LearnedRig(RIG, (0.0, 0.08)), 12).save(rig)
    options = "--set", f"rig_file={rig}", "--only", "status"
    result = register(write_bag(tmp_path, "mcap", Drive(2)), out, model, *options)
    assert result.exit_code == 2 and str(rig) in result.stderr and not out.exists()


def test_a_rig_that_does_not_exist_is_told_where_nothing_writes_it(model: str, tmp_path: Path) -> None:
    bag, out, options = write_bag(tmp_path, "mcap", Drive(2)), tmp_path / "out.mcap", ("--only", "status")
    missing = "--set", f"rig_file={tmp_path / 'rgi.yaml'}"
    result = register(bag, out, model, *options, *missing)
    assert result.exit_code == 2 and "rgi.yaml" in result.stderr and not out.exists()
    result = register(bag, out, model, *options, *missing, "--set", "mode=live")  # which uses no rig
    assert result.exit_code == 0 and out.exists()


@pytest.mark.slow
def test_bags_share_processes_and_one_that_fails_stops_no_other(model: str, tmp_path: Path) -> None:
    bags = []
    for name in "abc":
        (tmp_path / name).mkdir()
        bags.append(write_bag(tmp_path / name, "mcap", Drive(pairs=3)).rename(tmp_path / name / name))
    next(bags[1].glob("*.mcap")).write_bytes(b"")
    arguments = ("bag", *bags, tmp_path / "out", *TOPICS, "--model", model, "--json", "-")
    result = run(*arguments, "--jobs", 2)
    assert result.exit_code == 1, result.output
    assert [record["pairs"] for record in json.loads(result.stdout)] == [3, 0, 3]
    assert str(bags[1]) in result.stderr
    assert sorted(each.name for each in (tmp_path / "out").glob("*.mcap")) == ["a.mcap", "c.mcap"]
    assert digests(tmp_path / "out/a.mcap") == digests(tmp_path / "out/c.mcap")


@pytest.mark.slow
def test_calibration_of_a_drive_is_written_and_used(model: str, tmp_path: Path) -> None:
    bag, file = write_bag(tmp_path, "mcap", Drive(pairs=20)), tmp_path / "rig.yaml"
    result = run("calibrate", bag, *TOPICS, "--model", model, "--out", file)
    assert result.exit_code == 0, result.output
    assert "20 pairs over 1.9 s" in result.stdout and str(file) in result.stdout.translate(
        dict.fromkeys(map(ord, "│ \n"))
    )
    result = register(
        bag, tmp_path / "o.mcap", model, "--set", "mode=fixed", "--set", f"calibration_file={file}"
    )
    assert result.exit_code == 0 and "20 FIXED" in result.stdout, result.output
    calibrated = file.read_bytes()
    result = run("calibrate", bag, *TOPICS, "--model", model, "--out", file)
    assert result.exit_code == 2 and "rig.yaml: exists already" in result.stderr, result.output
    assert file.read_bytes() == calibrated
    for output in read_bag(tmp_path / "o.mcap").entries:
        assert output.homography is not None
        np.testing.assert_allclose(output.homography, np.eye(3), atol=1e-2)
