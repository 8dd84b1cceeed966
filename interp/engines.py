"""Who makes the shards of a report or an evaluation. Engines decide nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from interp.models import ImageModel
from interp.progress import Told
from interp.shards import Shard, ShardError


class Work(Protocol):
    """What is done shard by shard: a dataclass that can be sent to another process."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def model(self) -> ImageModel:
        """The network that it needs."""
        ...

    @property
    def parts(self) -> Path:
        """Folder of what is found, a file for each shard."""
        ...

    def make(self, shards: Iterable[Shard], told: Told = ...) -> Iterator[Shard]:
        """Yield each shard when its file is written.

        Nothing but the work and the files decides what is in it, whoever calls this, and wherever.
        """
        ...


class Engine(Protocol):
    """Makes shards, in any order."""

    def run(self, work: Work, shards: Iterator[Shard], told: Told) -> Iterator[Shard]:
        """Yield each shard when its file is written."""
        ...


@dataclass(frozen=True)
class Local:
    """This process, with one network for all shards.

    Attributes:
        threads: of the network; default: as torch has it. The last bits of a map depend on their number.
    """

    threads: int | None = None

    def run(self, work: Work, shards: Iterator[Shard], told: Told) -> Iterator[Shard]:
        """Yield each shard when its file is written."""
        with threads_set(self.threads):
            yield from work.make(shards, told)


@contextmanager
def threads_set(count: int | None) -> Iterator[None]:
    """Let torch compute with so many threads.

    Raises:
        ShardError: less than one.
    """
    if count is not None and count < 1:
        raise ShardError(f"threads={count}: give 1 or more.")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)
