"""The shared store: what one replica learns, the others use within milliseconds; what one of them gives up, all forget.

Memory decides and answers, and no request ever waits for the store. Changes are gathered and written in batches; each one is published
with its value, so that every replica has it at once. While the store cannot be reached the proxy goes on alone. What others know too
may have ended without this replica hearing of it, so it is given up after `stale_s`; once the store is back, everything is compared.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from proxy.grants import GrantStore
from proxy.knowledge.memory import VendorMemory
from proxy.stores.items import Instant
from proxy.stores.keys import Keys
from proxy.stores.redis_wire import Command, Endpoint, Reply, StoreError, Wire
from proxy.stores.scripts import CLEAR, VERSION_DIGITS, WRITE, WRITER_BYTES
from proxy.stores.shared_memory import DROP_REASONS, Place, Received, Write
from proxy.stores.shared_names import Namespace, channel_of, epoch_of
from proxy.stores.shared_vendor import SharedVendor
from proxy.stores.timeline import Anchor
from proxy.telemetry.labels import Reading, Values

BATCH: Final = 200
HEARTBEAT_S: Final = 5.0
"""How often a replica makes sure that it hears of changes. A line that fell silent is found out after this long and a timeout."""
FIRST_RETRY_S: Final = 0.05
LAST_RETRY_S: Final = 5.0
LAST_WORDS_S: Final = 1.0
"""How long a stop waits for changes to be told."""
MAX_DEFERRED: Final = 50_000
MALFORMED: Final = "malformed"
OPERATIONS: Final = ("written", "merged", "received", "loaded", "failed")
_BEAT: Final = b"!"
_BREATH: Final = 50

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
        self._on_bug = on_bug
        self._dial = dial
        self._channel = channel_of(keys.root)
        self._epoch_name, self._epoch = epoch_of(keys.root), b""
        self._writer = secrets.token_hex(WRITER_BYTES // 2).encode()
        self._offset = 0.0
        self._vendors: list[SharedVendor] = []
        self._scripts: dict[str, bytes] = {}
        self._wake, self._beat_heard, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._tried = asyncio.Event()
        self._deferred: deque[bytes] = deque()
        self._busy = False
        self._compare_again = False
        self._task: asyncio.Task[None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._trouble = "not connected yet"
        self._told = False
        self._synced_at = 0.0
        self._counts: Counter[str] = Counter()
        self._malformed = 0
        self.turn: Callable[[], AbstractContextManager[None]] = nullcontext
        """Within it memory is changed; where several processes share one memory, they take turns. Nothing is awaited within."""

    # --- for the rest of the proxy

    def attach(self, vendor: str, basis: str, grants: GrantStore, memory: VendorMemory, max_tokens: int) -> SharedVendor:
        """Return the observer that must hear of every change of a vendor's memory, which is filled already."""
        place = Place(grants, memory, max_tokens)
        shared = SharedVendor(Namespace(self.keys.root, vendor, basis), self.keys, place, self._instant, self._wake.set)
        self._vendors.append(shared)
        return shared

    def detach(self, vendor: str) -> None:
        """Share nothing of a vendor any more; what others know of it stays with them."""
        for shared in self._vendors:
            if shared.names.vendor == vendor:
                shared.retire()
        self._vendors = [shared for shared in self._vendors if shared.names.vendor != vendor]

    def compare(self) -> None:
        """Compare everything with the store, as after an outage: a vendor was attached while the link is at work."""
        self._compare_again = True
        self._wake.set()

    def start(self) -> None:
        """Begin to connect."""
        self._note_loss()
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
        for task in (self._task, self._flushing):
            if task is None:
                continue
            if task is self._task and not self._trouble:
                await asyncio.wait([task], timeout=LAST_WORDS_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def trouble(self) -> str:
        """What keeps knowledge from being shared; "" while it is."""
        return self._trouble

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
                failures = 0 if not self._trouble else failures + 1
                self._failed(error)
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
            await events.call((b"SUBSCRIBE", self._channel))
            self._deferred.clear()
            tasks = [asyncio.create_task(self._listen(events)), asyncio.create_task(self._work(commands))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._busy = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await events.close()
            await commands.close()

    def _failed(self, error: Exception) -> None:
        self._counts["failed"] += 1
        if not isinstance(error, StoreError):
            self._on_bug(error)
        trouble = str(error) if isinstance(error, StoreError) else f"internal error ({type(error).__name__})"
        if not self._told:
            log.error("the shared store %s cannot be used, the proxy goes on alone: %s", self._options.endpoint, trouble)
        self._told, self._trouble = True, trouble
        self._tried.set()
        self._note_loss()

    def _note_loss(self) -> None:
        """From now on others may forget something without this replica hearing of it."""
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._give_up_later())

    async def _give_up_later(self) -> None:
        """Give up what others know too, unless everything was compared before."""
        await asyncio.sleep(self._options.stale_s)
        for vendor in self._vendors:
            tokens = list(vendor.ledger.shared())
            for start in range(0, len(tokens), BATCH):
                with self.turn():
                    vendor.expire(tokens[start : start + BATCH])
                await asyncio.sleep(0)

    def _works(self) -> None:
        self._synced_at = self._clocks().wall
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._told:
            log.warning("the shared store %s works again", self._options.endpoint)
        self._told, self._trouble = False, ""

    # --- what this replica tells

    async def _work(self, wire: Wire) -> None:
        for name, script in (("write", WRITE), ("clear", CLEAR)):
            (self._scripts[name],) = await wire.call(("SCRIPT", "LOAD", script))
        self._compare_again = True
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
        time, epoch = await wire.call(("TIME",), ("GET", self._epoch_name))
        self._compare_again = self._compare_again or epoch != self._epoch
        self._offset = int(time[0]) + int(time[1]) / 1e6 - (before + self._clocks().now) / 2
        self._beat_heard.clear()
        await wire.call(("PUBLISH", self._channel, self._writer + _BEAT))
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._beat_heard.wait()
        except TimeoutError:
            raise StoreError(f"a message was not passed on within {self._options.timeout_s:g} s") from None
        if not self._trouble:
            self._synced_at = self._clocks().wall

    async def _tell(self, wire: Wire, until: float) -> None:
        """Write until there is nothing left to write, or until the next heartbeat is due: changes may come as fast as they are written."""
        while True:
            self._wake.clear()
            for vendor in self._vendors:
                await self._clear(wire, vendor)
            if self._compare_again:
                await self._compare(wire)
            for vendor in self._vendors:
                await self._write_waiting(wire, vendor)
            if self._trouble and not self._compare_again:
                self._works()
            if self._loop_time() >= until or not (self._wake.is_set() or self._compare_again or any(map(len, self._vendors))):
                break

    async def _write_waiting(self, wire: Wire, vendor: SharedVendor) -> None:
        """Write what is waiting now, not what comes meanwhile."""
        for _ in range(0, len(vendor), BATCH):
            if not vendor.clearing:
                await self._write(wire, vendor)

    async def _clear(self, wire: Wire, vendor: SharedVendor) -> None:
        if not vendor.clearing:
            return
        names = vendor.names
        await wire.call(("EVALSHA", self._scripts["clear"], 2, names.tokens, names.marker, self._channel, self._writer))
        vendor.clearing = False
        self._compare_again = True

    async def _write(self, wire: Wire, vendor: SharedVendor) -> None:
        writes = vendor.writes(BATCH)
        if not writes:
            return
        self._busy = True
        try:
            replies = await wire.call(*(self._write_command(vendor, write) for write in writes))
        except BaseException:
            vendor.failed(writes)
            raise
        finally:
            self._busy = False
        with self.turn():
            for write, reply in zip(writes, replies, strict=True):
                self._settle(vendor, write, reply)
        while self._deferred:
            self._hear(self._deferred.popleft())

    def _write_command(self, vendor: SharedVendor, write: Write) -> Command:
        arguments = (write.base, write.life_ms, write.sealed, self._channel, self._writer)
        return ("EVALSHA", self._scripts["write"], 2, write.key, vendor.names.marker, *arguments)

    def _settle(self, vendor: SharedVendor, write: Write, reply: Reply) -> None:
        if isinstance(reply, int):
            self._counts["written"] += 1
            vendor.written(write, reply)
        elif reply == b"cleared":
            vendor.was_cleared(write)
        else:
            self._counts["merged"] += 1
            vendor.conflicted(write, _received(write.key, reply))

    # --- comparing

    async def _compare(self, wire: Wire) -> None:
        """Take over everything that the store has, and queue what it lacks."""
        self._compare_again = False
        _, self._epoch = await wire.call(("SET", self._epoch_name, secrets.token_hex(8), "NX"), ("GET", self._epoch_name))
        for vendor in self._vendors:
            (marker,) = await wire.call(("GET", vendor.names.marker))
            with self.turn():
                vendor.begin_comparing(int(marker or 0))
            others: set[bytes] = set()
            cursor = b"0"
            while True:
                ((cursor, keys),) = await wire.call(("SCAN", cursor, "MATCH", vendor.names.pattern, "COUNT", BATCH))
                await self._load(wire, vendor, keys, others)
                if cursor == b"0":
                    break
            vendor.end_comparing(others)
        self._tried.set()

    async def _load(self, wire: Wire, vendor: SharedVendor, keys: list[bytes], others: set[bytes]) -> None:
        if not keys:
            return
        (values,) = await wire.call(("MGET", *keys))
        received = [_received(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
        cleared = [item.key for item in received if item.key.startswith(vendor.names.tokens) and vendor.is_cleared(item.version)]
        current = [item for item in received if item.key not in cleared]
        others.update(item.key for item in current)
        for start in range(0, len(current), _BREATH):
            with self.turn():
                self._counts["loaded"] += sum(map(vendor.receive, current[start : start + _BREATH]))
            await asyncio.sleep(0)
        if cleared:
            await wire.call(("UNLINK", *cleared))

    # --- what others tell

    async def _listen(self, wire: Wire) -> None:
        count = 0
        while True:
            _, _, message = await wire.next()
            if self._busy:
                self._defer(message)
            else:
                self._hear(message)
            count += 1
            if count % _BREATH == 0:
                await asyncio.sleep(0)

    def _defer(self, message: bytes) -> None:
        """Keep a message until it is clear what became of the changes that are under way."""
        if len(self._deferred) >= MAX_DEFERRED:
            raise StoreError("more changes arrive than can be taken in")
        self._deferred.append(message)

    def _hear(self, message: bytes) -> None:
        writer, rest = message[:WRITER_BYTES], message[WRITER_BYTES:]
        if writer == self._writer:
            if rest == _BEAT:
                self._beat_heard.set()
            return
        if rest == _BEAT:
            return
        key, _, value = rest.partition(b" ")
        vendor = next((vendor for vendor in self._vendors if key.startswith(vendor.names.prefix)), None)
        if vendor is None:
            return  # of a vendor or a catalogue that this replica does not have
        try:
            received = _received(key, value)
        except StoreError:
            self._malformed += 1
            return
        with self.turn():
            if key == vendor.names.tokens:
                vendor.receive_clear(received.version)
            else:
                self._counts["received"] += vendor.receive(received)

    # --- what is told about it

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the shared store."""
        synced = "When this replica last made sure that it hears of every change; 0 before the first time."
        dropped = "Items that were not shared or not taken over, by reason."
        return (
            Reading("scopegate_shared_store_up", "Whether knowledge is shared: 1 or 0.", lambda: {(): float(not self._trouble)}),
            Reading("scopegate_shared_store_operations_total", "Items by what was done.", self._operations, ("result",), counter=True),
            Reading("scopegate_shared_store_queue_length", "Changes that are not told yet.", lambda: {(): sum(map(len, self._vendors))}),
            Reading("scopegate_shared_store_dropped_total", dropped, self._dropped, ("reason",), counter=True),
            Reading("scopegate_shared_store_last_sync_timestamp_seconds", synced, lambda: {(): self._synced_at}),
        )

    def _operations(self) -> Values:
        return {(name,): self._counts[name] for name in OPERATIONS}

    def _dropped(self) -> Values:
        values: dict[tuple[str, ...], float] = {
            (reason,): sum(vendor.dropped[reason] for vendor in self._vendors) for reason in DROP_REASONS
        }
        return values | {(MALFORMED,): self._malformed}


def _received(key: bytes, value: bytes) -> Received:
    try:
        return Received(key, int(value[:VERSION_DIGITS]), value[VERSION_DIGITS:])
    except ValueError:
        raise StoreError("something else writes under the names of this store") from None
