"""Long work in pieces: which files are done together, whether that is done, and by whom.

A shard is a run of files in their order. What was found of it is one Parquet file, written whole, whose
metadata say of which settings and files. So nothing else has to be kept to go on after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_KEY = b"interp"
_PART = re.compile(r"part-(\d{5,})\.parquet")
_RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))


class ShardError(ValueError):
    """Work cannot be shared out like this; the message says why and what would work."""


@dataclass(frozen=True)
class Shard:
    """Files that are done together.

    Attributes:
        number: of the shard.
        start: number of its first file among all.
        files: in order.
        key: what must be equal for what was found of it to be used again.
    """

    number: int
    start: int
    files: Sequence[Path]
    key: str = ""

    @property
    def numbered(self) -> list[tuple[int, Path]]:
        """The files, each with its number among all."""
        return list(enumerate(self.files, start=self.start))

    def part(self, folder: Path) -> Path:
        """Return the file of what is found of it."""
        return folder / f"part-{self.number:05d}.parquet"

    def done(self, folder: Path) -> bool:
        """Whether what was found of it is there, of the same settings and files."""
        return key_in(self.part(folder)) == self.key


def count_of(files: int, size: int) -> int:
    """Return how many shards so many files make.

    Example:
        >>> count_of(5, 2)
        3
    """
    return -(-files // size)


def shards_of(
    files: Sequence[Path], size: int, key: Callable[[Shard], str], slice_: Slice | None = None
) -> Iterator[Shard]:
    """Yield the shards of one worker, or all.

    Args:
        files: all of them, in an order that is the same everywhere.
        size: how many make a shard.
        key: of a shard that has none yet.
        slice_: which of several workers is asked about; None for all shards.
    """
    mine = slice_ or Slice(0, 1)
    for number in range(mine.rank, count_of(len(files), size), mine.of):
        shard = Shard(number, number * size, files[number * size : (number + 1) * size])
        yield Shard(shard.number, shard.start, shard.files, key(shard))


def digest_of(settings: Mapping[str, Any], names: Sequence[str], files: Sequence[Path]) -> str:
    """Return the SHA-256 of settings and of the names, sizes and times of files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, path in zip(names, files, strict=True):
        digest.update(f"{name}\0{state_of(path)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def state_of(path: Path) -> str:
    """Return what changes when a file does."""
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{state.st_size}\0{state.st_mtime_ns}"


def key_in(path: Path) -> str | None:
    """Return the key that a part was written with; None where there is no part that can be read."""
    try:
        known = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    return known.get(_KEY, b"").decode() or None


def metadata(key: str) -> dict[str, str]:
    """Return the metadata of a part that has this key."""
    return {_KEY.decode(): key}


def make_folder(path: Path) -> None:
    """Make a folder, also where earlier versions wrote a table of that name; no other file is touched."""
    if path.suffix == ".parquet" and path.is_file():
        path.unlink()
    path.mkdir(parents=True, exist_ok=True)


def parts_in(folder: Path) -> list[Path]:
    """Return the parts that lie in a folder, in order; a file is its own only part."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name))


def forget_others(folder: Path, count: int) -> None:
    """Remove the parts from number `count` on, which an earlier, longer work left."""
    for path in parts_in(folder):
        found = _PART.fullmatch(path.name)
        if found and int(found[1]) >= count:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Slice:
    """Every `of`-th shard, from `rank` on: what one of several workers does that know not of each other."""

    rank: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.of:
            raise ShardError(
                f"rank {self.rank}/{self.of}: ranks go from 0 to {self.of - 1}; of 2 workers one is 0/2, "
                "the other 1/2."
            )

    def __str__(self) -> str:
        return f"{self.rank}/{self.of}"


def slice_of(text: str) -> Slice:
    """Return the slice that people write as `3/8`.

    Raises:
        ShardError: it is not written like this, or there is no such rank.

    Example:
        >>> slice_of("3/8")
        Slice(rank=3, of=8)
    """
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", text.strip())
    if not found:
        raise ShardError(f"rank {text!r}: write it as 0/8, this worker's number and how many there are.")
    return Slice(int(found[1]), int(found[2]))


def slice_here(environment: Mapping[str, str] = os.environ) -> Slice:
    """Return the slice of this process, as torchrun, accelerate or SLURM says.

    Raises:
        ShardError: none of them has started it.
    """
    for rank, of in _RANKS:
        if environment.get(rank, "").isdigit() and environment.get(of, "").isdigit():
            return Slice(int(environment[rank]), int(environment[of]))
    names = " nor ".join(f"{rank} and {of}" for rank, of in _RANKS)
    raise ShardError(
        f"engine 'rank': neither {names} are set. Start it with torchrun, accelerate or srun, or give "
        'the rank itself (rank="0/8", --rank 0/8).'
    )
