"""Which bags inputs stand for, and where outputs go."""

from pathlib import Path

import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.places import joined, shown
from distillmatch_ros.fleet.plan import Order, plan, table_file
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor


@pytest.fixture
def drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days of drives in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("mon/drive", "tue/drive", "tue/late"):
        path = Path("fleet", f"{name}.mcap")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def named(*inputs: str, out: str = "out") -> dict[str, str]:
    return {unit.source: unit.target for unit in plan(inputs, out)}


@pytest.mark.usefixtures("drives")
def test_outputs_are_called_like_their_bags_and_patterns_keep_folders() -> None:
    assert named("fleet/mon/drive.mcap") == {"fleet/mon/drive.mcap": "out/drive.mcap"}
    assert named("fleet/mon/drive.mcap", out="o.mcap") == {"fleet/mon/drive.mcap": "o.mcap"}
    assert named("fleet/tue/*.mcap") == {
        "fleet/tue/drive.mcap": "out/drive.mcap",
        "fleet/tue/late.mcap": "out/late.mcap",
    }
    assert named("fleet/*/drive.mcap") == {
        "fleet/mon/drive.mcap": "out/mon/drive.mcap",
        "fleet/tue/drive.mcap": "out/tue/drive.mcap",
    }
    assert named("fleet/**/late.mcap") == {"fleet/tue/late.mcap": "out/tue/late.mcap"}
    assert table_file("mon/drive") == "bag=mon%2Fdrive/pairs.parquet"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a/drive_2026.11.26", "drive_2026.11.26"),
        ("drive_2026.11.26/", "drive_2026.11.26"),
        ("drive_2026.11.26.mcap", "drive_2026.11.26"),
        ("drive.db3.zstd", "drive"),
        ("s3://store/a.b/drive.v2.bag", "drive.v2"),
    ],
)
def test_dots_belong_to_the_name(given: str, name: str) -> None:
    (unit,) = plan([given], "out")
    assert unit.name == name and unit.target == f"out/{name}.mcap"


@pytest.mark.usefixtures("drives")
@pytest.mark.parametrize(
    ("working", "given", "names"),
    [
        ("fleet/tue", ".", ["tue/drive", "tue/late"]),
        ("fleet/tue", "./", ["tue/drive", "tue/late"]),
        ("fleet/mon", "../tue", ["tue/drive", "tue/late"]),
        ("fleet/tue/deeper", "..", ["tue/drive", "tue/late"]),
        ("fleet/tue/deeper", "../late.mcap", ["late"]),
        ("fleet", "m*/../tue/late.mcap", ["tue/late"]),
        ("fleet/mon", "../*/late.mcap", ["tue/late"]),
        ("fleet/mon", "?rive.mcap", ["drive"]),
    ],
)
def test_outputs_stay_in_their_folder(
    working: str, given: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(working).mkdir(exist_ok=True)
    monkeypatch.chdir(working)
    assert sorted({unit.name for unit in plan([given], "out")}) == names
    assert all(unit.target == f"out/{unit.name}.mcap" for unit in plan([given], "out"))


@pytest.mark.slow
@pytest.mark.usefixtures("drives")
def test_a_text_file_names_bags_relative_to_itself() -> None:
    Path("fleet/list.txt").write_text("# of this week\n\ntue/late.mcap\n*/drive.mcap  \ns3://store/x.mcap\n")
    units = plan(["fleet/list.txt"], "out")
    assert [(unit.source, unit.name) for unit in units] == [
        ("fleet/tue/late.mcap", "late"),
        ("fleet/mon/drive.mcap", "mon/drive"),
        ("fleet/tue/drive.mcap", "tue/drive"),
        ("s3://store/x.mcap", "x"),
    ]
    assert units[0].version is not None and units[0].version.size == len("tue/late")


@pytest.mark.usefixtures("drives")
def test_a_bag_that_is_not_there_is_left_to_who_registers_it() -> None:
    (unit,) = plan(["absent.mcap"], "out")
    assert unit.version is None


@pytest.mark.usefixtures("drives")
@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        ("none/*.mcap", "out", "none/*.mcap: matches no bag"),
        ("absent.txt", "out", "absent.txt: cannot be read"),
        ("fleet/mon/drive.mcap fleet/tue/drive.mcap", "out", "two of the bags have the same name"),
        ("fleet/tue/*.mcap", "out.mcap", "one file cannot hold what 2 bags give"),
        ("fleet/tue/*.mcap", "out.mcap", "late.mcap: not a bag that can be read"),
        ("fleet/tue/*.mcap", "fleet/tue", "fleet/tue/drive.mcap: is one of the bags to read"),
        ("fleet/tue/late.mcap", "out.bag", "the output is an MCAP file or a folder"),
    ],
)
def test_what_cannot_be_planned_is_said(inputs: str, out: str, message: str) -> None:
    with pytest.raises(DistillMatchError) as error:
        plan(inputs.split(), out)
    assert message in str(error.value)


def test_settings_are_told_apart_by_what_changes_results() -> None:
    def settings(rgb: str = "/rgb", **changes: object) -> str:
        return Order(Parameters().changed(changes), {Sensor.VISIBLE: rgb}, ("homography",)).settings

    assert settings() == settings(threads=3)
    assert len({settings(), settings("/other"), settings(tolerance=0.01), settings(overlay="edges")}) == 4


def test_passwords_are_not_shown() -> None:
    assert shown("a sftp://me:se-cret@host/x and s3://store/y") == "a sftp://me:***@host/x and s3://store/y"
    assert shown("sftp://me@host:22/x") == "sftp://me@host:22/x"
    assert joined("s3://store/out/", "a.mcap") == "s3://store/out/a.mcap"
