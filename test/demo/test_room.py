"""The demo's room: near things lie where they are, and can be looked at from beside."""

from pathlib import Path

import numpy as np
import pytest
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of

from distillmatch_ros.demo.room import show_room
from distillmatch_ros.images.files import read_image
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.scene import Room, SyntheticPair


@pytest.mark.slow  # maps a whole room twice
def test_room(tmp_path: Path, room: SyntheticPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "render", lambda *_: room)
    with Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1) as registrar:
        found = show_room(registrar, tmp_path, seed=2)
    assert found.depth_px < 0.1 < 2 < found.plane_px
    assert found.points > 100_000
    assert (tmp_path / "room_cloud.ply").read_bytes().startswith(b"ply")
    assert RigFile.load(tmp_path / "rig.yaml").rig.model.is_metric
    depth = read_image(tmp_path / "depth.png")
    np.testing.assert_allclose(depth / 1000, room.visible_depth, atol=0.001)
    pictures = [read_image(path) for path in found.pictures.values()]
    assert len(pictures) == 4
    assert all(picture.std() > 10 for picture in pictures)
