"""Tests of the network need PyTorch, which an installation without the extra ``train`` lacks."""

import pytest

pytest.importorskip("torch")
