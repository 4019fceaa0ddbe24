"""Comparing: everything that the store has is taken over, and what it lacks is queued. After an outage, and when the store was emptied."""

from __future__ import annotations

import asyncio
import secrets

from proxy.stores.redis_wire import Reply, Wire
from proxy.stores.shared_hearing import BREATH
from proxy.stores.shared_names import epoch_of
from proxy.stores.shared_replica import Replica, read_item
from proxy.stores.shared_telling import BATCH
from proxy.stores.shared_vendor import SharedVendor


class Comparing:
    """Compares one replica with the store. `due` says that it must be done."""

    def __init__(self, replica: Replica, root: str) -> None:
        self.due = False
        self.epoch_name = epoch_of(root)
        self._replica = replica
        self._epoch: Reply = b""

    def note_epoch(self, epoch: Reply) -> None:
        """Compare where the store is not the one that was compared last: it was emptied, or another one took its place."""
        self.due = self.due or epoch != self._epoch

    async def compare(self, wire: Wire) -> None:
        """Take over everything that the store has, and queue what it lacks."""
        self.due = False
        _, self._epoch = await wire.call(("SET", self.epoch_name, secrets.token_hex(8), "NX"), ("GET", self.epoch_name))
        for vendor in self._replica.vendors:
            (marker,) = await wire.call(("GET", vendor.names.marker))
            with self._replica.turn():
                vendor.begin_comparing(int(marker or 0))
            vendor.end_comparing(await self._load_all(wire, vendor))

    async def _load_all(self, wire: Wire, vendor: SharedVendor) -> set[bytes]:
        """Take over a vendor's items; return their keys."""
        others: set[bytes] = set()
        cursor = b"0"
        while True:
            ((cursor, keys),) = await wire.call(("SCAN", cursor, "MATCH", vendor.names.pattern, "COUNT", BATCH))
            await self._load(wire, vendor, keys, others)
            if cursor == b"0":
                return others

    async def _load(self, wire: Wire, vendor: SharedVendor, keys: list[bytes], others: set[bytes]) -> None:
        if not keys:
            return
        (values,) = await wire.call(("MGET", *keys))
        received = [read_item(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
        cleared = [item.key for item in received if item.key.startswith(vendor.names.tokens) and vendor.is_cleared(item.version)]
        current = [item for item in received if item.key not in cleared]
        others.update(item.key for item in current)
        for start in range(0, len(current), BREATH):
            with self._replica.turn():
                self._replica.counts["loaded"] += sum(map(vendor.receive, current[start : start + BREATH]))
            await asyncio.sleep(0)
        if cleared:
            await wire.call(("UNLINK", *cleared))
