"""Which pictures of an evaluation are done together, and what must be equal to use what was found again."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interp.methods import Method
from interp.metrics.planning import cost
from interp.metrics.registry import Metric
from interp.metrics.truths import mask_for
from interp.shards import state_of
from interp.targets import TargetLike

MOST, PASSES = 64, 2000
"""How many pictures make a shard at most, and how many passes an interruption may lose."""


def settings_hash(about: dict[str, Any], target: TargetLike) -> str:
    """Return what must be equal of an evaluation to go on, beside its pictures: settings and versions."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    # A question that cannot be written down may be another one the next time.
    known = target is None or isinstance(target, (int, str))
    digest.update(repr(target).encode() if known else secrets.token_bytes())
    return digest.hexdigest()


def pictures_hash(settings: str, pictures: Sequence[tuple[str, Path]], masks: Mapping[str, Any]) -> str:
    """Return the hash of settings and pictures with their masks."""
    digest = hashlib.sha256(settings.encode())
    wanted = {name: mask_for(name, masks) for name, _ in pictures}
    given = [*pictures, *((f"mask {name}", mask) for name, mask in wanted.items() if mask is not None)]
    for name, source in given:
        digest.update(f"{name}\0{_state(source)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _state(source: Any) -> str:
    if isinstance(source, (str, Path)):
        return state_of(Path(source))
    return hashlib.sha256(np.ascontiguousarray(np.asarray(source)).data).hexdigest()


def shard_size_of(methods: Sequence[Method], metrics: Sequence[Metric]) -> int:
    """Return how many pictures make a shard: as many as may be lost."""
    return max(1, min(MOST, int(PASSES / max(cost(methods, metrics), 1))))
