"""``python -m distillmatch_ros.cli``."""

from distillmatch_ros.cli import main

main()
