"""What several tests need: small networks, bags, doubles, a real node with cameras around it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
