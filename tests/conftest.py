"""What every test may ask for."""

import pytest

import interp


@pytest.fixture(scope="session")
def default_model():
    """The offline network with its real ImageNet weights, loaded once."""
    return interp.load()
