from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.workers.journal import Journal, TooLongError, journal_memory

SIZE = 256


class FreeLock:
    """A lock that is always free; it must be taken once at a time."""

    held = False

    def acquire(self) -> None:
        assert not self.held
        self.held = True

    def release(self) -> None:
        assert self.held
        self.held = False


def views(count: int) -> list[Journal]:
    memory, lock = journal_memory(SIZE), FreeLock()
    return [Journal(memory, lock) for _ in range(count)]


def test_what_one_writes_the_other_reads_once() -> None:
    one, two = views(2)
    assert (one.behind, two.behind) == (False, False)
    one.append(b"first")
    one.append(b"")
    assert (one.behind, two.behind) == (False, True)
    assert two.read() == [b"first", b""]
    assert two.read() == []
    assert not two.behind


def test_whoever_writes_without_having_read_reads_both_in_order() -> None:
    """Its own record counts after those that came before it, or two processes would end up knowing different things."""
    one, two = views(2)
    one.append(b"one")
    two.append(b"two")
    assert two.read() == [b"one", b"two"]
    assert one.read() == [b"two"]


def test_whoever_is_too_far_behind_is_told_so_and_goes_on_from_the_end() -> None:
    one, two = views(2)
    for number in range(50):
        one.append(b"%03d" % number)
    assert two.read() is None
    one.append(b"new")
    assert two.read() == [b"new"]


def test_a_record_that_is_too_long_changes_nothing() -> None:
    one, two = views(2)
    with pytest.raises(TooLongError):
        one.append(b"x" * (one.max_record + 1))
    one.append(b"x" * one.max_record)
    assert two.read() == [b"x" * one.max_record]


def test_the_lock_is_given_back_after_an_error() -> None:
    (one,) = views(1)
    with pytest.raises(ZeroDivisionError), one.held(), one.held():
        raise ZeroDivisionError
    one.append(b"again")


@given(st.lists(st.one_of(st.binary(max_size=SIZE // 4), st.sampled_from([0, 1, 2])), max_size=60))
def test_every_reader_reads_every_record_in_order_or_is_told_that_it_did_not(steps: list[bytes | int]) -> None:
    """Bytes are written by one view; a number is a view that reads."""
    writer, *readers = views(4)
    unread: list[deque[bytes]] = [deque(), deque(), deque()]
    for step in steps:
        if isinstance(step, bytes):
            writer.append(step)
            for queue in unread:
                queue.append(step)
            continue
        size = sum(4 + len(record) for record in unread[step])
        assert readers[step].read() == (list(unread[step]) if size <= SIZE else None)
        unread[step].clear()
