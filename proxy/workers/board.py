"""How many connections each worker has, in memory that all of them share: a new one goes to whoever has the fewest."""

from __future__ import annotations

from mmap import mmap
from typing import Final

ABSENT: Final = (1 << 64) - 1
"""Stands for a worker that takes none."""


class Board:
    """The numbers of `count` workers, who are numbered from 1. Make it before the workers are forked."""

    def __init__(self, count: int) -> None:
        self._cells = memoryview(mmap(-1, 8 * count)).cast("Q")
        for index in range(count):
            self._cells[index] = ABSENT

    def write(self, worker: int, connections: int) -> None:
        """Note how many connections a worker has."""
        self._cells[worker - 1] = connections

    def leave(self, worker: int) -> None:
        """Note that a worker takes none."""
        self._cells[worker - 1] = ABSENT

    def read(self, worker: int) -> int | None:
        """Return how many connections a worker has; None where it takes none."""
        number = self._cells[worker - 1]
        return None if number == ABSENT else number

    def has_fewest(self, worker: int) -> bool:
        """Say whether nobody has fewer connections than this worker."""
        return self._cells[worker - 1] <= min(self._cells)
