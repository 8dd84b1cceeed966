"""Who makes the shards of a report. Engines decide nothing else: all call `explain_shards`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from interp.report.finding import ReportError
from interp.report.pipeline import Job, Told, explain_shards
from interp.shards import Shard


class Engine(Protocol):
    """Makes shards, in any order."""

    def run(self, job: Job, shards: Iterator[Shard], told: Told) -> Iterator[Shard]:
        """Yield each shard when its file is written."""
        ...


@dataclass(frozen=True)
class Local:
    """This process: decoding, the network and drawing overlap.

    Attributes:
        threads: of the network; default: as torch has it. The last bits of a map depend on their number.
    """

    threads: int | None = None

    def run(self, job: Job, shards: Iterator[Shard], told: Told) -> Iterator[Shard]:
        """Yield each shard when its file is written."""
        with threads_set(self.threads):
            yield from explain_shards(job, shards, told)


@contextmanager
def threads_set(count: int | None) -> Iterator[None]:
    """Let torch compute with so many threads.

    Raises:
        ReportError: less than one.
    """
    if count is not None and count < 1:
        raise ReportError(f"threads={count}: give 1 or more.")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)
