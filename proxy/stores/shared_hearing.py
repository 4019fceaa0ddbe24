"""What other replicas tell: every message is taken into memory, or kept until that can be done."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from proxy.stores.redis_wire import StoreError, Wire
from proxy.stores.scripts import WRITER_BYTES
from proxy.stores.shared_replica import Replica, read_item

MAX_DEFERRED: Final = 50_000
BEAT: Final = b"!"
"""What a replica says to hear itself."""
BREATH: Final = 50
"""How many items are taken into memory before others have a turn."""


class Hearing:
    """Listens on one connection. `beat_heard` is set when this replica has heard itself."""

    def __init__(self, replica: Replica) -> None:
        self.beat_heard = asyncio.Event()
        self.malformed = 0
        self._replica = replica
        self._deferred: deque[bytes] = deque()
        self._busy = False

    async def listen(self, wire: Wire) -> None:
        """Hear everything, until the connection fails."""
        count = 0
        while True:
            _, _, message = await wire.next()
            if self._busy:
                self._defer(message)
            else:
                self._hear(message)
            count += 1
            if count % BREATH == 0:
                await asyncio.sleep(0)

    def forget(self) -> None:
        """Drop what was kept: everything will be compared."""
        self._deferred.clear()

    def hold(self) -> None:
        """Keep messages from now on, until it is clear what became of the changes that are under way."""
        self._busy = True

    def release(self) -> None:
        """Keep messages no longer; `catch_up` takes in those that were kept."""
        self._busy = False

    def catch_up(self) -> None:
        """Take in what was kept."""
        while self._deferred:
            self._hear(self._deferred.popleft())

    def _defer(self, message: bytes) -> None:
        if len(self._deferred) >= MAX_DEFERRED:
            raise StoreError("more changes arrive than can be taken in")
        self._deferred.append(message)

    def _hear(self, message: bytes) -> None:
        writer, rest = message[:WRITER_BYTES], message[WRITER_BYTES:]
        if writer == self._replica.writer:
            if rest == BEAT:
                self.beat_heard.set()
            return
        if rest != BEAT:
            self._take(*rest.partition(b" ")[::2])

    def _take(self, key: bytes, value: bytes) -> None:
        vendor = self._replica.owner_of(key)
        if vendor is None:
            return
        try:
            received = read_item(key, value)
        except StoreError:
            self.malformed += 1
            return
        with self._replica.turn():
            if key == vendor.names.tokens:
                vendor.receive_clear(received.version)
            else:
                self._replica.counts["received"] += vendor.receive(received)
