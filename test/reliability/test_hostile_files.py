"""Files made to do harm: nothing is run, nothing outside is read, nothing swells, and the file is named."""

import pickle
import time
from pathlib import Path

import onnx
import pytest
from support.bags import Drive, write_bag
from support.tiny_network import tiny_graph, write_tiny
from typer.testing import CliRunner

from distillmatch_ros import DistillMatchError, Registrar
from distillmatch_ros.base.yaml import read_yaml
from distillmatch_ros.cli import app
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.stream.calibration import Calibration
from distillmatch_ros.stream.parameter_files import read_parameters

ALIASES = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
TAGS = ("!!python/object/apply:os.system [touch harmed]", "!!python/name:os.system", "!evil 1")


def test_aliases_by_the_billion_stay_small(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(
        f"/**:\n  ros__parameters:\n    {ALIASES.replace(chr(10), chr(10) + '    ')}"
    )
    begin = time.process_time()
    with pytest.raises(DistillMatchError) as raised:
        read_parameters(tmp_path / "bomb.yaml", [])
    assert len(str(raised.value)) < 1000
    (tmp_path / "rig.yaml").write_text(ALIASES)
    with pytest.raises(DistillMatchError) as raised:
        Calibration.load(tmp_path / "rig.yaml")
    assert len(str(raised.value)) < 1000
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("tag", TAGS)
def test_tags_run_nothing(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rig.yaml").write_text(f"homography: {tag}\n")
    with pytest.raises(DistillMatchError, match=r"rig\.yaml"):
        read_yaml(Path("rig.yaml"), "write it again")
    assert not Path("harmed").exists()


@pytest.mark.parametrize("value", [".nan", ".inf", "1e999"])
def test_calibration_that_is_not_finite(value: str, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(
        f"homography: [[{value}, 0, 0], [0, 1, 0], [0, 0, 1]]\nvisible_size: [64, 80]\n"
        "thermal_size: [64, 80]\n"
    )
    with pytest.raises(DistillMatchError, match=r"rig\.yaml"):
        Calibration.load(tmp_path / "rig.yaml")


def test_network_with_values_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    network = write_tiny(tmp_path / "inside/robot.onnx")
    model = onnx.load(network)
    onnx.save(model, network, save_as_external_data=True, location="values.bin", size_threshold=0)
    (tmp_path / "inside/values.bin").rename(tmp_path / "secret.bin")
    model = onnx.load(network, load_external_data=False)
    for initializer in model.graph.initializer:
        for entry in initializer.external_data:
            if entry.key == "location":
                entry.value = "../secret.bin"
    network.write_bytes(model.SerializeToString())
    with pytest.raises(DistillMatchError, match=r"robot\.onnx"):
        Registrar.open(network, "onnx")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_network_that_is_cut_off(part: float, tmp_path: Path) -> None:
    network = write_tiny(tmp_path / "robot.onnx", tiny_graph())
    data = network.read_bytes()
    network.write_bytes(data[: int(part * len(data))])
    with pytest.raises(DistillMatchError, match=r"robot\.onnx"):
        Registrar.open(network, "onnx")


class Harm:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.place,)


def test_checkpoint_that_is_a_pickle_runs_nothing(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from distillmatch_ros.model.weights import Weights

    for name, save in {
        "raw.pt": lambda each, path: path.write_bytes(pickle.dumps(each)),
        "zip.pt": torch.save,
    }.items():
        save({"weights": Harm(tmp_path / "harmed")}, tmp_path / name)
        with pytest.raises(DistillMatchError, match=name):
            Weights.load(tmp_path / name)
    assert not (tmp_path / "harmed").exists()


def test_camera_info_of_nan_is_rejected(tmp_path: Path) -> None:
    messages = [*Drive(pairs=1).messages()]
    info = next(each.message for each in messages if hasattr(each.message, "distortion_model"))
    info.k[:] = float("nan")
    with pytest.raises(DistillMatchError):
        Camera.from_camera_info(info)


def test_bag_with_the_parameters_of_an_attacker_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(ALIASES)
    bag = write_bag(tmp_path, "mcap", Drive(pairs=1))
    arguments = ["bag", str(bag), str(tmp_path / "out.mcap"), "--params", str(tmp_path / "bomb.yaml")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and "bomb.yaml" in result.stderr and len(result.stderr) < 2000
