"""What a simulated vendor received, kept for tests and for the demo: bounded, and silent about secrets when printed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. `target`, `headers` and `body` are the received bytes, and not shown by `repr`.

    `body` is None where it was larger than the journal keeps; `body_size` (bytes) and `body_sha256` always tell.
    `complete` is false where the sender vanished, or broke the framing, before the end of the body.
    """

    listener: str
    method: str
    target: bytes = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    body_size: int
    body_sha256: str
    complete: bool = True

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return self.target.partition(b"?")[0].decode("utf-8", "surrogateescape")

    def header_values(self, name: str) -> list[bytes]:
        """Every value of a header, in order; names compare without case."""
        wanted = name.lower().encode()
        return [value for key, value in self.headers if key.lower() == wanted]


class Journal(Sequence[Received]):
    """The last `limit` requests, oldest first. `total` counts all of them."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[Received] = deque(maxlen=limit)
        self.total = 0
        self._grown = asyncio.Event()

    def add(self, received: Received) -> None:
        """Append a request, dropping the oldest beyond the limit."""
        self._entries.append(received)
        self.total += 1
        self._grown.set()

    async def reached(self, total: int) -> None:
        """Wait until so many requests have been received, counted since the last `clear`."""
        while self.total < total:
            self._grown.clear()
            await self._grown.wait()

    def clear(self) -> None:
        """Forget every request and start counting anew."""
        self._entries.clear()
        self.total = 0

    def to_path(self, path: str) -> list[Received]:
        """The requests to one raw path, whatever their query."""
        return [received for received in self._entries if received.path == path]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Received]:
        return iter(tuple(self._entries))

    @overload
    def __getitem__(self, index: int) -> Received: ...
    @overload
    def __getitem__(self, index: slice) -> list[Received]: ...
    def __getitem__(self, index: int | slice) -> Received | list[Received]:
        return list(self._entries)[index]
