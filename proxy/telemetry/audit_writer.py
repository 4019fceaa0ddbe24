"""Events to the audit log, written by one thread: whoever hands them over never waits, whatever the disk does.

While the disk fails, events wait in the queue and nothing is lost; what then no longer fits is counted, and told by a record in
the log as soon as it can be written again. `put` and `close` belong to one thread (the event loop's, or after it).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.telemetry import audit_records
from proxy.telemetry.audit_files import AuditFiles, FileOptions, Sync
from proxy.telemetry.audit_places import AuditFileError
from proxy.telemetry.chain import MAX_LINE, Chain
from proxy.telemetry.labels import Reading, Values
from proxy.telemetry.losses import Gap, Losses

_BATCH_BYTES: Final = 256 * 1024
_MOST_BATCHES: Final = 100
"""Batches after which losses are told, however many events keep coming."""
_TOLD: Final = (OSError, AuditFileError)
"""Exceptions whose text tells operators what to do, and holds nothing of a request."""

log = logging.getLogger("scopegate")


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """Bounds of the queue, and times in seconds: how long events are gathered, when a failed disk is tried again, between syncs."""

    max_events: int = 20_000
    max_bytes: int = 64 * 1024 * 1024
    linger_s: float = 0.1
    retry_s: float = 1.0
    sync_interval_s: float = 1.0


class AuditWriter:
    """Writes events to one log. `wall` gives seconds since the epoch."""

    def __init__(self, files: FileOptions, chain: Chain, wall: Callable[[], float], options: WriterOptions | None = None) -> None:
        self._path = files.path
        self._syncs = files.sync is Sync.INTERVAL
        self._files = AuditFiles(files, chain, wall)
        self._wall = wall
        self._options = options or WriterOptions()
        self._queue: deque[bytes] = deque()
        self._batch: list[bytes] = []
        self._bytes_in = 0  # counted by `put` alone, and `_bytes_out` by the thread alone: no lock is needed
        self._bytes_out = 0
        self._losses = Losses()
        self._counts = {"written": 0, "dropped": 0, "failed": 0}
        self._gaps = 0
        self._trouble = ""
        self._next_sync = 0.0
        self._awake = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, name="scopegate-audit", daemon=True)

    # --- for the event loop

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, event: bytes) -> None:
        """Queue one event, a JSON object that ends with `}}` and has no newline; count it as dropped where there is no room."""
        options, size = self._options, len(event)
        waiting = self._bytes_in - self._bytes_out
        if len(self._queue) >= options.max_events or waiting + size > options.max_bytes or size >= MAX_LINE // 2 or self._closing.is_set():
            self._counts["dropped"] += 1
            self._losses.note(self._wall())
            return
        self._queue.append(event)
        self._bytes_in += size
        if not self._awake:
            self._awake = True
            self._wake.set()

    def lost(self, gap: Gap) -> None:
        """Count events that were lost before they came here, and have the log tell."""
        self._counts["dropped"] += gap.missing
        self._losses.give_back(gap)
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Write what is queued, for at most `timeout` seconds; what the disk did not take by then is counted as failed."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        left = len(self._queue) + len(self._batch)
        if left:
            self._counts["failed"] += left
            log.error("%d events of the audit log %s were never written", left, self._path)

    @property
    def trouble(self) -> str:
        """What keeps the log from being written; "" while it is."""
        return self._trouble

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the audit log."""
        events = "Events of the audit log: written, dropped because the queue was full, or failed to be written before the end."
        waiting = "Events of the audit log that are not written yet."
        gaps = "Records in the audit log that tell how many events are missing."
        return (
            Reading("scopegate_audit_events_total", events, self._count_values, ("result",), counter=True),
            Reading("scopegate_audit_queue_length", waiting, lambda: {(): len(self._queue) + len(self._batch)}),
            Reading("scopegate_audit_up", "Whether the audit log can be written: 1 or 0.", lambda: {(): float(not self._trouble)}),
            Reading("scopegate_audit_gaps_total", gaps, lambda: {(): self._gaps}, counter=True),
        )

    def _count_values(self) -> Values:
        return {(result,): count for result, count in self._counts.items()}

    # --- the thread

    def _live(self) -> None:
        self._attempt(self._open)
        while not self._closing.is_set():
            self._wait()
            self._attempt(self._drain)
        self._attempt(self._drain)
        self._attempt(self._files.close)

    def _wait(self) -> None:
        if self._trouble:
            self._closing.wait(self._options.retry_s)
            return
        self._wake.wait(self._options.sync_interval_s if self._syncs else None)
        self._closing.wait(self._options.linger_s)
        self._wake.clear()
        self._awake = False  # before draining: an event that comes later either is drained or wakes the thread again

    def _open(self) -> None:
        self._files.open()
        self._works()

    def _drain(self) -> None:
        for _ in range(_MOST_BATCHES):
            if not self._take():
                break
            self._write()
        self._tell_losses()
        if self._trouble:
            self._files.append(())
        self._files.settle()
        if self._syncs and time.monotonic() >= self._next_sync:
            self._files.sync()
            self._next_sync = time.monotonic() + self._options.sync_interval_s
        self._works()

    def _take(self) -> bool:
        """Fill the batch, unless the last one still waits for the disk; say whether there is anything in it."""
        size = 0 if not self._batch else _BATCH_BYTES
        while size < _BATCH_BYTES and self._queue:
            event = self._queue.popleft()
            self._batch.append(event)
            size += len(event)
        return bool(self._batch)

    def _write(self) -> None:
        self._files.append(self._batch)
        self._counts["written"] += len(self._batch)
        self._bytes_out += sum(map(len, self._batch))
        self._batch = []
        self._files.settle()

    def _tell_losses(self) -> None:
        gap = self._losses.take()
        if gap is None:
            return
        try:
            self._files.append([audit_records.gap(self._wall(), gap.missing, gap.since, gap.until)])
        except BaseException:
            self._losses.give_back(gap)
            raise
        self._gaps += 1
        log.warning("the audit log %s lacks %d events, as a record in it tells", self._path, gap.missing)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do something with the disk; trouble is logged once when it begins, and once when it ends."""
        try:
            work()
        except Exception as error:
            trouble = _text(error)
            if not self._trouble:
                log.error("the audit log %s cannot be written, events wait until it can: %s", self._path, trouble)
            self._trouble = trouble

    def _works(self) -> None:
        if self._trouble:
            log.warning("the audit log %s is written again", self._path)
            self._trouble = ""


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, _TOLD) else f"internal error ({type(error).__name__})"
