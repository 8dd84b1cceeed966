"""Which files are done together, by whom, and whether that is done."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.shards import (
    Shard,
    ShardError,
    Slice,
    count_of,
    digest_of,
    forget_others,
    key_in,
    metadata,
    parts_in,
    shards_of,
    slice_here,
    slice_of,
)

FILES = [Path(f"{number}.png") for number in range(10)]


@pytest.mark.parametrize("size", [1, 3, 10, 99])
@pytest.mark.parametrize("of", [1, 2, 5])
def test_slices_have_every_file_once_and_in_order(size, of):
    found = [
        one for rank in range(of) for one in shards_of(FILES, size, lambda shard: "key", Slice(rank, of))
    ]
    numbered = [pair for shard in sorted(found, key=lambda shard: shard.number) for pair in shard.numbered]
    assert numbered == list(enumerate(FILES))
    assert len(found) == count_of(10, size)


def test_a_key_changes_with_settings_names_and_files(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    keys = [digest_of({"a": 1}, ["a.png"], [path]), digest_of({"a": 2}, ["a.png"], [path])]
    keys.append(digest_of({"a": 1}, ["b.png"], [path]))
    path.write_bytes(b"22")
    keys.append(digest_of({"a": 1}, ["a.png"], [path]))
    path.unlink()
    keys.append(digest_of({"a": 1}, ["a.png"], [path]))
    assert len(set(keys)) == 5


def test_a_part_is_done_when_it_can_be_read_and_has_the_key(tmp_path):
    shard = Shard(3, 0, FILES, "key")
    assert not shard.done(tmp_path)
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(metadata("key")), shard.part(tmp_path))
    assert shard.done(tmp_path)
    assert not Shard(3, 0, FILES, "other").done(tmp_path)
    assert shard.part(tmp_path).name == "part-00003.parquet"
    shard.part(tmp_path).write_bytes(b"PAR1 and no more")
    assert key_in(shard.part(tmp_path)) is None


def test_only_what_is_too_much_is_forgotten(tmp_path):
    names = ["part-00000.parquet", "part-00002.parquet", "part-123456.parquet", "notes.txt", ".hidden"]
    for name in names:
        (tmp_path / name).touch()
    forget_others(tmp_path, 2)
    assert [path.name for path in parts_in(tmp_path)] == ["part-00000.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "notes.txt", "part-00000.parquet"]


def test_ranks_are_read_as_people_and_launchers_write_them():
    assert slice_of("3/8") == Slice(3, 8)
    assert str(Slice(3, 8)) == "3/8"
    assert slice_here({"RANK": "1", "WORLD_SIZE": "4"}) == Slice(1, 4)
    assert slice_here({"SLURM_PROCID": "2", "SLURM_NTASKS": "3"}) == Slice(2, 3)
    for text, sentence in (("8/8", "ranks go from 0 to 7"), ("1-8", "write it as 0/8"), ("1/0", "write it")):
        with pytest.raises(ShardError, match=sentence):
            slice_of(text)
    with pytest.raises(ShardError, match="torchrun, accelerate or srun"):
        slice_here({"RANK": "1"})
