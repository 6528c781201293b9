"""A network, and workers that tests share."""

import pytest


@pytest.fixture
def model(write_network) -> str:
    return str(write_network())
