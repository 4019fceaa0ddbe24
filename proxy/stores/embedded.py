"""The embedded store: memory's mirror on the disk, kept by one thread. Nobody ever waits for it but the start and the end.

Memory is the truth. The disk has what is in memory, late by one batch at most, and never what memory has given up: what was
forgotten, ended or evicted is taken away. While the disk fails (full, read-only, locked, damaged) changes wait in a bounded
queue, the trouble is told and counted, and traffic goes on; when it works again they are written.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.stores.keys import KeyFile, KeyFileError, Keys
from proxy.stores.loading import Decoder, Expected, Remembered
from proxy.stores.mirror import DROP_REASONS, HEARTBEAT_S, Mirror
from proxy.stores.pending import KINDS, Pending
from proxy.stores.sqlite import CorruptError, NewerSchemaError, is_corruption
from proxy.stores.timeline import Anchor
from proxy.stores.watching import EvidenceSink, Watcher
from proxy.telemetry.labels import Reading, Values

LINGER_S: Final = 0.1
"""How long changes are gathered before they are written together: what a crash may lose."""
RETRY_S: Final = 5.0
_QUEUE_FULL: Final = "queue_full"
_TOLD: Final = (OSError, sqlite3.Error, CorruptError, NewerSchemaError, KeyFileError)
"""Errors whose text names files and states of the disk only."""

log = logging.getLogger("scopegate")


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the database is, how large it may grow (bytes), and how patient its thread is (seconds)."""

    path: Path
    max_bytes: int = 256 * 1024 * 1024
    linger_s: float = LINGER_S
    retry_s: float = RETRY_S


class EmbeddedStore:
    """One database and the thread that alone touches it. `clocks` returns what both clocks say, on any thread.

    `start`, fill memory with the result, set a `watcher` on each vendor's store and memory, and at the end `close`. `decoders` read
    the rows of ledgers by kind; a ledger's rows go to the `evidence` sink of its kind.
    """

    def __init__(
        self,
        options: StoreOptions,
        keys: Keys | KeyFile,
        expected: Mapping[str, Expected],
        clocks: Callable[[], Anchor],
        decoders: Mapping[str, Decoder] = MappingProxyType({}),
    ) -> None:
        self._options = options
        key_file = keys if isinstance(keys, KeyFile) else None
        self.keys = keys.keys if isinstance(keys, KeyFile) else keys
        self._expected = expected
        self._mirror = Mirror(options.path, options.max_bytes, self.keys, key_file, expected, clocks, decoders)
        self._pending = Pending()
        self._trouble = ""
        self._writes = {"written": 0, "failed": 0}
        self._loaded: Future[Mapping[str, Remembered]] = Future()
        self._waiting: list[threading.Event] = []
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, name="scopegate-store", daemon=True)

    # --- for the event loop

    def start(self) -> Future[Mapping[str, Remembered]]:
        """Start the thread; the result is what earlier runs knew, by vendor, empty where that cannot be read."""
        self._thread.start()
        return self._loaded

    def abandon(self) -> None:
        """Begin anew: what the disk holds was not taken over, so it must not come back later."""
        self._pending.wipe()

    @property
    def waiting(self) -> int:
        """How many changes are not written yet."""
        return len(self._pending)

    def watcher(self, vendor: str, basis: str = "") -> Watcher:
        """Return the observer of a vendor's store and memory; `basis` where its knowledge rests on another one than at the start."""
        return Watcher(vendor, basis or self._expected[vendor].basis, self._pending, self.keys, self._nudge)

    def evidence(self, kind: str) -> EvidenceSink:
        """Return where the rows of the ledger of this kind are kept."""
        return EvidenceSink(kind, self._pending, self.keys, self._nudge)

    def _nudge(self) -> None:
        if not self._wake.is_set():
            self._wake.set()

    @property
    def trouble(self) -> str:
        """What keeps the store from working; "" while it works."""
        return self._trouble

    def flush(self, timeout: float) -> bool:
        """Wait until everything until now is written; say whether it was, within `timeout` seconds."""
        written = threading.Event()
        self._waiting.append(written)
        self._wake.set()
        return written.wait(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Write what is waiting, for at most `timeout` seconds, and close the file."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the store."""
        mirror = self._mirror
        dropped = "Rows and changes that were not taken over or not kept, by reason."
        return (
            Reading("scopegate_store_up", "Whether the store works: 1, or 0 while the disk fails.", lambda: {(): float(not self._trouble)}),
            Reading("scopegate_store_writes_total", "Batches of changes, by result.", self._write_values, ("result",), counter=True),
            Reading("scopegate_store_queue_length", "Changes that are not written yet.", lambda: {(): len(self._pending)}),
            Reading(
                "scopegate_store_rows",
                "Rows in the store, by kind.",
                lambda: {(kind,): mirror.rows.get(kind, 0) for kind in KINDS},
                ("kind",),
            ),
            Reading("scopegate_store_bytes", "Bytes of the store that are in use.", lambda: {(): mirror.used_bytes}),
            Reading("scopegate_store_dropped_total", dropped, self._dropped_values, ("reason",), counter=True),
        )

    def _write_values(self) -> Values:
        return {(result,): count for result, count in self._writes.items()}

    def _dropped_values(self) -> Values:
        values: dict[tuple[str, ...], float] = {(reason,): self._mirror.dropped[reason] for reason in DROP_REASONS}
        return values | {(_QUEUE_FULL,): self._pending.overflowed}

    # --- the thread

    def _live(self) -> None:
        if not self._attempt(self._load):
            self._pending.wipe()
            self._loaded.set_result({})
        while not self._closing.is_set():
            self._attempt(self._write)
            self._wait()
        self._attempt(self._write)
        self._attempt(self._mirror.close)

    def _load(self) -> None:
        self._loaded.set_result(self._mirror.load())

    def _wait(self) -> None:
        if self._trouble:
            self._closing.wait(self._options.retry_s)
        else:
            self._wake.wait(HEARTBEAT_S)
            self._closing.wait(self._options.linger_s)
        self._wake.clear()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        batch = self._pending.take()
        try:
            self._mirror.write(batch, last=self._closing.is_set())
        except BaseException:
            self._waiting = waiting + self._waiting
            self._pending.give_back(batch)
            self._writes["failed"] += 1
            raise
        self._pending.done()
        self._writes["written"] += bool(batch)
        self._works()
        for written in waiting:
            written.set()

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do something with the disk; trouble is logged once when it begins, and once when it ends with a writing."""
        try:
            work()
        except Exception as error:
            self._failed(error)
            return False
        return True

    def _works(self) -> None:
        if self._trouble:
            log.warning("the store %s works again", self._options.path)
            self._trouble = ""

    def _failed(self, error: Exception) -> None:
        trouble = str(error) if isinstance(error, _TOLD) else f"internal error ({type(error).__name__})"
        if not self._trouble:
            log.error("the store %s cannot be used, knowledge stays in memory until it can: %s", self._options.path, trouble)
        self._trouble = trouble
        if is_corruption(error):
            self._pending.wipe()
            self._mirror.discard()
