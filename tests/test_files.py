"""Files are written whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from interp.files import sweep, write_whole, write_whole_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with write_whole(path) as part:
            part.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_stays_until_the_body_has_ended(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_text("old")
    with write_whole(path) as part:
        assert part.parent == tmp_path
        assert part.suffix == ".gz"
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.tar.gz"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with write_whole(tmp_path / "a") as part:
            part.write_text("x")
        assert os.umask(umask) == umask  # not even for a moment another: threads share it
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_the_umask_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("umask is the whole process's"))
    with write_whole(tmp_path / "a") as part:
        part.write_text("x")
    assert (tmp_path / "a").read_text() == "x"


def test_threads_leave_one_whole_file(tmp_path):
    path, barrier = tmp_path / "a", threading.Barrier(8)
    texts = [str(number) * 100_000 for number in range(8)]

    def write(text):
        barrier.wait()
        for _ in range(5):
            with write_whole(path) as part:
                part.write_text(text)
            assert path.read_text() in texts

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert names(tmp_path) == ["a"]


def test_a_body_that_deletes_its_part_writes_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), write_whole(tmp_path / "a") as part:
        part.unlink()
    assert names(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), write_whole(tmp_path / "no" / "a"):
        pytest.fail("the body must not run")


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"), write_whole(tmp_path / "a") as part:
        part.write_text("x")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["é" * 60 + ".json", ".hidden", "no ending", "x" * 200, "a b.TXT"])
def test_names(tmp_path, name):
    with write_whole(tmp_path / name) as part:
        part.write_text("x")
    assert names(tmp_path) == [name]


KILLED = """
import os, signal, sys
from interp.files import write_whole
with write_whole(sys.argv[1]) as part:
    part.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal on this system")
@pytest.mark.parametrize("name", ["a.parquet", "a", "a.tar.gz", 60 * "x" + ".jpg", "a\nb.png"])
def test_what_a_killed_process_left_is_swept_away(tmp_path, name):
    (tmp_path / name).write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / name])
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2  # it does leave something
    sweep(tmp_path, tmp_path / "nowhere")
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "old"


def test_what_others_are_writing_and_what_is_not_ours_stays(tmp_path):
    kept = [
        ".git",
        ".parts",
        ".a.0123456789abcdeg.jpg",
        ".a.0123456789abcdef.tar.gz",
        "a.0123456789abcdef.jpg",
    ]
    for name in kept:
        (tmp_path / name).write_text("x")
    with write_whole(tmp_path / "b.txt") as part:
        sweep(tmp_path)
        assert part.exists()
        part.write_text("new")
    sweep(tmp_path)
    assert names(tmp_path) == sorted([*kept, "b.txt"])
    assert (tmp_path / "b.txt").read_text() == "new"


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    place = tmp_path / "data"
    with write_whole_folder(place) as folder:
        (folder / "a").write_text("1")
        assert not place.exists()
    with write_whole_folder(place) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in place.iterdir()] == ["b"]
    with write_whole_folder(place) as folder:
        (folder / "c").write_text("3")
        sweep(tmp_path)  # whoever is at work is left alone
    assert [path.name for path in place.iterdir()] == ["c"]

    def interrupted():
        with write_whole_folder(place):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert [path.name for path in place.iterdir()] == ["c"]
    left = tmp_path / ".data.0123456789abcdef"
    left.mkdir()
    (left / "half").touch()
    sweep(tmp_path)
    assert not left.exists()
