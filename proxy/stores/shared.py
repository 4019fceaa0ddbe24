"""The shared store: what one replica learns, the others use within milliseconds; what one of them gives up, all forget.

Memory decides and answers, and no request ever waits for the store. Changes are gathered and written in batches; each one is published
with its value, so that every replica has it at once. While the store cannot be reached the proxy goes on alone. What others know too
may have ended without this replica hearing of it, so it is given up after `stale_s`; once the store is back, everything is compared.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from proxy.grants import GrantStore
from proxy.knowledge.memory import VendorMemory
from proxy.stores.items import Instant
from proxy.stores.keys import Keys
from proxy.stores.redis_wire import Endpoint, StoreError, Wire
from proxy.stores.shared_comparing import Comparing
from proxy.stores.shared_hearing import BEAT, Hearing
from proxy.stores.shared_memory import DROP_REASONS, Place
from proxy.stores.shared_names import Namespace
from proxy.stores.shared_outage import Outage
from proxy.stores.shared_replica import Replica
from proxy.stores.shared_telling import Telling
from proxy.stores.shared_vendor import SharedVendor
from proxy.stores.timeline import Anchor
from proxy.telemetry.labels import Reading, Values

HEARTBEAT_S: Final = 5.0
"""How often a replica makes sure that it hears of changes. A line that fell silent is found out after this long and a timeout."""
FIRST_RETRY_S: Final = 0.05
LAST_RETRY_S: Final = 5.0
LAST_WORDS_S: Final = 1.0
"""How long a stop waits for changes to be told."""
MALFORMED: Final = "malformed"
OPERATIONS: Final = ("written", "merged", "received", "loaded", "failed")

log = logging.getLogger("scopegate")


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """Where the store is, how long to wait for it, and how long what others know counts without it (seconds)."""

    endpoint: Endpoint
    timeout_s: float = 1.0
    stale_s: float = 30.0


class SharedStore:
    """The link to the store. Belongs to the event loop: `attach` vendors, `start`, and at the end `close`.

    `clocks` returns what both clocks say, `dial` a new connection. `on_bug` is told of exceptions that are ours.
    """

    def __init__(
        self,
        options: SharedOptions,
        keys: Keys,
        clocks: Callable[[], Anchor],
        on_bug: Callable[[BaseException], None],
        dial: Callable[[], Wire],
    ) -> None:
        self.keys = keys
        self._options = options
        self._clocks = clocks
        self._dial = dial
        self._replica = Replica(keys.root)
        self._hearing = Hearing(self._replica)
        self._telling = Telling(self._replica, self._hearing)
        self._comparing = Comparing(self._replica, keys.root)
        self._outage = Outage(self._replica, options.endpoint, options.stale_s, on_bug)
        self._offset = 0.0
        self._wake, self._closing, self._tried = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- for the rest of the proxy

    def attach(self, vendor: str, basis: str, grants: GrantStore, memory: VendorMemory, max_tokens: int) -> SharedVendor:
        """Return the observer that must hear of every change of a vendor's memory, which is filled already."""
        place = Place(grants, memory, max_tokens)
        shared = SharedVendor(Namespace(self.keys.root, vendor, basis), self.keys, place, self._instant, self._wake.set)
        self._replica.vendors.append(shared)
        return shared

    def detach(self, vendor: str) -> None:
        """Share nothing of a vendor any more; what others know of it stays with them."""
        for shared in self._replica.vendors:
            if shared.names.vendor == vendor:
                shared.retire()
        self._replica.vendors = [shared for shared in self._replica.vendors if shared.names.vendor != vendor]

    def take_turns(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        """Change memory within `turn` only: several processes have one memory together."""
        self._replica.turn = turn

    def compare(self) -> None:
        """Compare everything with the store, as after an outage: a vendor was attached while the link is at work."""
        self._comparing.due = True
        self._wake.set()

    def start(self) -> None:
        """Begin to connect."""
        self._outage.begins()
        self._task = asyncio.create_task(self._live(), name="scopegate-shared-store")

    async def compared(self, patience_s: float) -> None:
        """Wait until everything that the store has is taken over, or it is clear that it cannot be had now; at most so many seconds."""
        try:
            async with asyncio.timeout(patience_s):
                await self._tried.wait()
        except TimeoutError:
            log.warning(
                "the shared store %s has more than is read in %g s; the proxy begins without the rest", self._options.endpoint, patience_s
            )

    async def close(self) -> None:
        """Tell what is still to be told, for a moment, and hang up."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            if not self.trouble:
                await asyncio.wait([self._task], timeout=LAST_WORDS_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._outage.close()

    @property
    def trouble(self) -> str:
        """What keeps knowledge from being shared; "" while it is."""
        return self._outage.trouble

    def _instant(self) -> Instant:
        now = self._clocks().now
        return Instant(now, now + self._offset)

    # --- life

    async def _live(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                await self._session()
            except Exception as error:
                failures = 0 if not self.trouble else failures + 1
                self._outage.failed(error)
                self._tried.set()
            else:
                return
            await self._pause(min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 10)))

    async def _pause(self, longest: float) -> None:
        """Wait a moment, each replica another one, so that they do not come back all at once."""
        try:
            async with asyncio.timeout(longest * random.uniform(0.5, 1.0)):  # noqa: S311 - no secret
                await self._closing.wait()
        except TimeoutError:
            pass

    async def _session(self) -> None:
        """Work with the store until it fails (`StoreError`), or until there is nothing left to tell at the end."""
        events, commands = self._dial(), self._dial()
        tasks: list[asyncio.Task[None]] = []
        try:
            await events.open()
            await commands.open()
            await events.call((b"SUBSCRIBE", self._replica.channel))
            self._hearing.forget()
            tasks = [asyncio.create_task(self._hearing.listen(events)), asyncio.create_task(self._work(commands))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._hearing.release()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await events.close()
            await commands.close()

    async def _work(self, wire: Wire) -> None:
        await self._telling.begin(wire)
        self._comparing.due = True
        while True:
            await self._beat(wire)
            next_beat = self._loop_time() + HEARTBEAT_S
            await self._tell(wire, next_beat)
            while self._loop_time() < next_beat:
                if self._closing.is_set():
                    return
                await self._wait(next_beat - self._loop_time())
                await self._tell(wire, next_beat)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _beat(self, wire: Wire) -> None:
        """Read the store's clock, see whether it was emptied, and make sure that messages arrive."""
        before = self._clocks().now
        time, epoch = await wire.call(("TIME",), ("GET", self._comparing.epoch_name))
        self._comparing.note_epoch(epoch)
        self._offset = int(time[0]) + int(time[1]) / 1e6 - (before + self._clocks().now) / 2
        await self._hear_itself(wire)
        if not self.trouble:
            self._outage.synced_at = self._clocks().wall

    async def _hear_itself(self, wire: Wire) -> None:
        heard = self._hearing.beat_heard
        heard.clear()
        await wire.call(("PUBLISH", self._replica.channel, self._replica.writer + BEAT))
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await heard.wait()
        except TimeoutError:
            raise StoreError(f"a message was not passed on within {self._options.timeout_s:g} s") from None

    async def _tell(self, wire: Wire, until: float) -> None:
        """Write until there is nothing left to write, or until the next heartbeat is due: changes may come as fast as they are written."""
        while True:
            self._wake.clear()
            if await self._telling.clear(wire):
                self._comparing.due = True
            if self._comparing.due:
                await self._comparing.compare(wire)
                self._tried.set()
            await self._telling.write(wire)
            if self.trouble and not self._comparing.due:
                self._outage.ends(self._clocks().wall)
            if self._loop_time() >= until or not (self._wake.is_set() or self._comparing.due or self._telling.waiting):
                break

    # --- what is told about it

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the shared store."""
        synced = "When this replica last made sure that it hears of every change; 0 before the first time."
        dropped = "Items that were not shared or not taken over, by reason."
        return (
            Reading("scopegate_shared_store_up", "Whether knowledge is shared: 1 or 0.", lambda: {(): float(not self.trouble)}),
            Reading("scopegate_shared_store_operations_total", "Items by what was done.", self._operations, ("result",), counter=True),
            Reading("scopegate_shared_store_queue_length", "Changes that are not told yet.", lambda: {(): self._telling.waiting}),
            Reading("scopegate_shared_store_dropped_total", dropped, self._dropped, ("reason",), counter=True),
            Reading("scopegate_shared_store_last_sync_timestamp_seconds", synced, lambda: {(): self._outage.synced_at}),
        )

    def _operations(self) -> Values:
        return {(name,): self._replica.counts[name] for name in OPERATIONS}

    def _dropped(self) -> Values:
        values: dict[tuple[str, ...], float] = {
            (reason,): sum(vendor.dropped[reason] for vendor in self._replica.vendors) for reason in DROP_REASONS
        }
        return values | {(MALFORMED,): self._hearing.malformed}
