"""What every test may ask for."""

import os

import pytest

import interp

# Before torch is imported, and for every process that a test starts: small networks gain nothing from more
# threads, and two processes that wait for each other's are many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def default_model():
    """The offline network with its real ImageNet weights, loaded once."""
    return interp.load()
