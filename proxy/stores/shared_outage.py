"""What becomes of shared knowledge while the store cannot be used: it is told once, and given up in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from proxy.stores.redis_wire import Endpoint, StoreError
from proxy.stores.shared_replica import Replica
from proxy.stores.shared_telling import BATCH

log = logging.getLogger("scopegate")


class Outage:
    """Whether the store can be used. `synced_at` is when it last was certain that every change is heard of (wall time; 0: never)."""

    def __init__(self, replica: Replica, endpoint: Endpoint, stale_s: float, on_bug: Callable[[BaseException], None]) -> None:
        self.trouble = "not connected yet"
        self.synced_at = 0.0
        self._replica = replica
        self._endpoint = endpoint
        self._stale_s = stale_s
        self._on_bug = on_bug
        self._told = False
        self._flushing: asyncio.Task[None] | None = None

    def begins(self) -> None:
        """From now on others may forget something without this replica hearing of it."""
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._give_up_later())

    def failed(self, error: Exception) -> None:
        """Hear why the store cannot be used."""
        self._replica.counts["failed"] += 1
        if not isinstance(error, StoreError):
            self._on_bug(error)
        trouble = str(error) if isinstance(error, StoreError) else f"internal error ({type(error).__name__})"
        if not self._told:
            log.error("the shared store %s cannot be used, the proxy goes on alone: %s", self._endpoint, trouble)
        self._told, self.trouble = True, trouble
        self.begins()

    def ends(self, wall: float) -> None:
        """Hear that everything was compared, and that every change is heard of again."""
        self.synced_at = wall
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._told:
            log.warning("the shared store %s works again", self._endpoint)
        self._told, self.trouble = False, ""

    async def close(self) -> None:
        """Give up nothing more."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)

    async def _give_up_later(self) -> None:
        """Give up what others know too, unless everything was compared before."""
        await asyncio.sleep(self._stale_s)
        for vendor in self._replica.vendors:
            tokens = list(vendor.ledger.shared())
            for start in range(0, len(tokens), BATCH):
                with self._replica.turn():
                    vendor.expire(tokens[start : start + BATCH])
                await asyncio.sleep(0)
