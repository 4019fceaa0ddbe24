"""The journal: every change of knowledge in one order, in memory that all processes share.

Whoever writes holds the lock, so there is one order and no half-written record. Whoever reads compares one number, the end of the
journal, with how far it has read: that is all it costs to know that there is nothing new. Records are kept until later ones
need their place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from typing import Final, Protocol

JOURNAL_BYTES: Final = 8 * 1024 * 1024
"""How much change a process may miss before it must start anew: some twenty thousand logins."""
_HEAD_BYTES: Final = 64
_LENGTH: Final = struct.Struct("<I")


class Lock(Protocol):
    """What keeps two processes from writing at the same time."""

    def acquire(self) -> None:
        """Wait for the lock and take it."""

    def release(self) -> None:
        """Give the lock back."""


class TooLongError(ValueError):
    """The record would take too much of the journal."""


class Journal:
    """One process's view of the journal in `memory` (all zero at first). `read_to` is how far this process has read."""

    def __init__(self, memory: mmap, lock: Lock) -> None:
        view = memoryview(memory)
        self._size = len(view) - _HEAD_BYTES
        self._end = view[:8].cast("Q")
        self._room = view[_HEAD_BYTES:]
        self._lock = lock
        self._depth = 0
        self.read_to = 0

    @property
    def max_record(self) -> int:
        """The longest record there may be, in bytes."""
        return self._size // 4

    @property
    def end(self) -> int:
        """Where the journal ends, in bytes since its beginning."""
        return self._end[0]

    @property
    def behind(self) -> bool:
        """Whether there is something this process has not read."""
        return self._end[0] != self.read_to

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; within, nobody else writes. May be nested."""
        if self._depth == 0:
            self._lock.acquire()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._lock.release()

    def append(self, record: bytes) -> None:
        """Write a record at the end. Raise `TooLongError`.

        Whoever had read everything has also read this; whoever had not will read it in its turn, after what came before it.
        """
        if len(record) > self.max_record:
            raise TooLongError(f"a record of {len(record)} bytes")
        with self.held():
            end = self._end[0]
            self._put(end, _LENGTH.pack(len(record)))
            self._put(end + _LENGTH.size, record)
            after = end + _LENGTH.size + len(record)
            if self.read_to == end:
                self.read_to = after
            self._end[0] = after

    def read(self) -> list[bytes] | None:
        """Return what was written since the last time, in order; None where some of it is no longer there.

        In the latter case, what comes from now on is read the next time.
        """
        with self.held():
            end, position = self._end[0], self.read_to
            self.read_to = end
            if end - position > self._size:
                return None
            return list(self._records(position, end))

    def _records(self, position: int, end: int) -> Iterator[bytes]:
        while position < end:
            (length,) = _LENGTH.unpack(self._take(position, _LENGTH.size))
            position += _LENGTH.size
            yield self._take(position, length)
            position += length

    def _put(self, position: int, data: bytes) -> None:
        at = position % self._size
        first = min(len(data), self._size - at)
        self._room[at : at + first] = data[:first]
        self._room[: len(data) - first] = data[first:]

    def _take(self, position: int, length: int) -> bytes:
        at = position % self._size
        first = min(length, self._size - at)
        return bytes(self._room[at : at + first]) + bytes(self._room[: length - first])


def journal_memory(size: int = JOURNAL_BYTES) -> mmap:
    """Return memory for a journal, shared with the processes that are forked later; never on a disk."""
    return mmap(-1, size + _HEAD_BYTES)
