"""A synthetic RGB-thermal street with known geometry, for the demo, for bags and for tests."""

from distillmatch_ros.scene.view import Scene, SyntheticPair, render_pair

__all__ = ["Scene", "SyntheticPair", "render_pair"]
