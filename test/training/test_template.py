"""The configuration that people fill in for their own rig."""

from dataclasses import replace

from support import ROOT

from distillmatch_ros.training.config import TrainingConfig


def test_a_rig_is_trained_like_the_shipped_network_and_from_it() -> None:
    rig, light = (TrainingConfig.load(ROOT / f"config/training/{name}.yaml") for name in ("rig", "light"))
    assert rig.start == ROOT / "models/light.pt" and rig.start.exists()
    assert rig.output != light.output
    own = {name: getattr(light, name) for name in ("start", "sources", "validation", "output")}
    assert replace(rig, **own) == light
