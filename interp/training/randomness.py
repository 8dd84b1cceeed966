"""Chance as a function of (seed, stage, epoch), so that a resumed run meets the same chance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mixed(*numbers: int) -> int:
    """Return 32 bits that depend on every one of `numbers`, on how many there are, and on nothing else.

    Example:
        >>> mixed(0, 1) != mixed(1, 0)
        True
    """
    return int(np.random.SeedSequence((len(numbers), *numbers)).generate_state(1)[0])


def seed_everything(*numbers: int) -> None:
    """Seed Python's, NumPy's and torch's generators with a mixture of `numbers`."""
    seed = mixed(*numbers)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def own_randomness(*numbers: int) -> Iterator[None]:
    """Seed everything inside, and give the caller's generators back as they were."""
    python, array = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            seed_everything(*numbers)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
