"""What this replica tells the others: changes that wait are written in batches, and each is published with its value."""

from __future__ import annotations

from typing import Final

from proxy.stores.redis_wire import Command, Reply, Wire
from proxy.stores.scripts import CLEAR, WRITE
from proxy.stores.shared_hearing import Hearing
from proxy.stores.shared_memory import Write
from proxy.stores.shared_replica import Replica, read_item
from proxy.stores.shared_vendor import SharedVendor

BATCH: Final = 200


class Telling:
    """Writes changes; while they are under way, `hearing` keeps what others say."""

    def __init__(self, replica: Replica, hearing: Hearing) -> None:
        self._replica = replica
        self._hearing = hearing
        self._scripts: dict[str, bytes] = {}

    async def begin(self, wire: Wire) -> None:
        """Teach the store how changes are written."""
        for name, script in (("write", WRITE), ("clear", CLEAR)):
            (self._scripts[name],) = await wire.call(("SCRIPT", "LOAD", script))

    @property
    def waiting(self) -> int:
        """How many changes are not told yet."""
        return sum(map(len, self._replica.vendors))

    async def clear(self, wire: Wire) -> bool:
        """Empty the vendors that were forgotten here; say whether there were any."""
        done = False
        for vendor in self._replica.vendors:
            if vendor.clearing:
                names = vendor.names
                arguments = (names.tokens, names.marker, self._replica.channel, self._replica.writer)
                await wire.call(("EVALSHA", self._scripts["clear"], 2, *arguments))
                vendor.clearing, done = False, True
        return done

    async def write(self, wire: Wire) -> None:
        """Write what is waiting now, not what comes meanwhile."""
        for vendor in self._replica.vendors:
            for _ in range(0, len(vendor), BATCH):
                if not vendor.clearing:
                    await self._write(wire, vendor)

    async def _write(self, wire: Wire, vendor: SharedVendor) -> None:
        writes = vendor.writes(BATCH)
        if not writes:
            return
        self._hearing.hold()
        try:
            replies = await wire.call(*(self._command(vendor, write) for write in writes))
        except BaseException:
            vendor.failed(writes)
            raise
        finally:
            self._hearing.release()
        with self._replica.turn():
            for write, reply in zip(writes, replies, strict=True):
                self._settle(vendor, write, reply)
        self._hearing.catch_up()

    def _command(self, vendor: SharedVendor, write: Write) -> Command:
        arguments = (write.base, write.life_ms, write.sealed, self._replica.channel, self._replica.writer)
        return ("EVALSHA", self._scripts["write"], 2, write.key, vendor.names.marker, *arguments)

    def _settle(self, vendor: SharedVendor, write: Write, reply: Reply) -> None:
        if isinstance(reply, int):
            self._replica.counts["written"] += 1
            vendor.written(write, reply)
        elif reply == b"cleared":
            vendor.was_cleared(write)
        else:
            self._replica.counts["merged"] += 1
            vendor.conflicted(write, read_item(write.key, reply))
