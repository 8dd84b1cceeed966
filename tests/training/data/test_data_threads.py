"""Work in threads ends with what was begun, however it ends."""

import threading
from contextlib import closing

import pytest

from interp.training.data import in_threads


@pytest.mark.parametrize("threads", [1, 3, None])
def test_every_item_is_worked_on_once(threads):
    assert dict(in_threads(lambda item: item * 2, range(50), threads)) == {n: n * 2 for n in range(50)}
    assert list(in_threads(len, [], threads)) == []


def test_what_the_work_raises_is_raised_and_nothing_more_is_begun():
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise KeyError(item)
        sum(range(2_000))  # so that the workers cannot be through before anybody else has a turn

    with pytest.raises(KeyError, match="3"):
        list(in_threads(work, range(100_000), 2))
    assert len(begun) < 100_000


def test_an_interruption_waits_for_what_was_begun_only():
    first, go, ended = threading.Event(), threading.Event(), []

    def work(item):
        if item > 0:
            first.set()
            go.wait(60)
        ended.append(item)

    def stop():
        with closing(in_threads(work, range(100), 2)) as results:
            next(results)
            first.wait(60)
            go.set()
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        stop()
    assert threading.active_count() == before
    assert 2 <= len(ended) < 100
