"""Synthetic RGB-thermal places with known geometry, for the demo, for bags and for tests."""

from distillmatch_ros.scene.pair import SyntheticPair, Truth
from distillmatch_ros.scene.room import Room
from distillmatch_ros.scene.view import Scene, render_pair

__all__ = ["Room", "Scene", "SyntheticPair", "Truth", "render_pair"]
