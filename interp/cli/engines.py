"""Who does the work of a command that may be shared out, as its options say."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from interp.engines import Engine
    from interp.shards import Slice


class EngineName(StrEnum):
    """Who makes the shards."""

    local = "local"
    ray = "ray"
    rank = "rank"


EngineOption = Annotated[
    EngineName,
    typer.Option(help="local; ray (workers, on a cluster too); rank (torchrun, accelerate, srun)."),
]
Gpus = Annotated[float, typer.Option(min=0, help="Of each worker of engine ray.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Of each network; equal ones give equal last bits.")]
Rank = Annotated[
    str | None, typer.Option(help="Do only a part, as 3/8: the fourth of eight workers sharing --out.")
]


def rank_of(engine: EngineName, rank: str | None) -> Slice | None:
    """Return which of several workers this one is, or None for the only one.

    Raises:
        ShardError: there is no such rank, or Ray is asked as well.
    """
    from interp.shards import ShardError, slice_here, slice_of

    if rank is not None and engine is EngineName.ray:
        raise ShardError("give --rank or --engine ray, not both: Ray shares the shards out itself.")
    if rank is not None:
        return slice_of(rank)
    return slice_here() if engine is EngineName.rank else None


def engine_of(engine: EngineName, workers: int, gpus: float, threads: int | None) -> Engine:
    """Return who does the work."""
    from interp.engines import Local
    from interp.ray_engine import Ray

    return Ray(workers, gpus, threads) if engine is EngineName.ray else Local(threads)
