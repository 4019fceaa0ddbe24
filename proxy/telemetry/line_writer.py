"""Lines to a file descriptor, written by one daemon thread: whoever logs never waits, whatever the sink does.

The queue is bounded in lines and bytes. What does not fit, or what the sink refuses (broken pipe, full disk), is dropped
and counted. `put` and `close` belong to one thread (the event loop's, or after it).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from proxy.telemetry.descriptors import dropped_lines, write_some
from proxy.telemetry.labels import Reading

MAX_QUEUED_LINES: Final = 20_000
MAX_QUEUED_BYTES: Final = 16 * 1024 * 1024
_BATCH_BYTES: Final = 256 * 1024
_LINGER_S: Final = 0.25
"""How long lines are gathered before they are written. Whoever logs wakes nobody: a thread that wakes up takes the interpreter from the
request that is under way, so it does four times a second, however busy the traffic."""


class LineWriter:
    """Writes lines to `descriptor`, which stays the caller's to close."""

    def __init__(self, descriptor: int, *, max_lines: int = MAX_QUEUED_LINES, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes_in = 0  # counted by `put` alone, and `_bytes_out` by the thread alone: no lock is needed
        self._bytes_out = 0
        self._torn = False
        self._closing = threading.Event()
        self._closed = False
        self._dropped = {"queue_full": 0, "closed": 0, "sink_error": 0}
        self._runner = threading.Thread(target=self._run, name="scopegate-decision-log", daemon=True)
        self._runner.start()

    @property
    def dropped(self) -> dict[str, int]:
        """How many lines were dropped so far, by reason: `queue_full`, `closed` or `sink_error`."""
        return self._dropped.copy()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was queued is written or given up."""
        return self._bytes_in == self._bytes_out

    def put(self, line: bytes) -> None:
        """Queue one line, its newline included; drop and count it where the queue is full or closed."""
        full = len(self._lines) >= self._max_lines or self._bytes_in - self._bytes_out + len(line) > self._max_bytes
        if full or self._closed:
            self._dropped["queue_full" if full else "closed"] += 1
            return
        self._lines.append(line)
        self._bytes_in += len(line)

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued, for at most `timeout` seconds; what a blocked sink did not take by then is counted as dropped."""
        self._closed = True
        self._closing.set()
        self._runner.join(timeout)
        while self._lines:  # the thread may still be taking lines, so each is either its own or ours
            try:
                self._lines.popleft()
            except IndexError:
                return
            self._dropped["closed"] += 1

    def wait_closed(self, timeout: float) -> bool:
        """Wait for at most `timeout` seconds until the thread has ended; say whether it has."""
        self._runner.join(timeout)
        return not self._runner.is_alive()

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the log itself."""
        return (dropped_lines(self._dropped),)

    # --- the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.wait(_LINGER_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._lines:
            batch = self._take()
            self._write(batch)
            self._bytes_out += sum(map(len, batch))

    def _take(self) -> list[bytes]:
        batch, size = [], 0
        while size < _BATCH_BYTES and self._lines:
            try:
                line = self._lines.popleft()
            except IndexError:  # `close` gave up waiting and took the rest
                break
            batch.append(line)
            size += len(line)
        return batch

    def _write(self, batch: list[bytes]) -> None:
        """Write a batch; after an error the next one begins on a new line, so a cut line spoils no other."""
        mend = b"\n" if self._torn else b""
        data, done = mend + b"".join(batch), 0
        try:
            while done < len(data):
                done += write_some(self._descriptor, data[done:] if done else data)
        except OSError:
            self._dropped["sink_error"] += _unwritten(batch, done - len(mend))
        if done:
            self._torn = data[done - 1] != ord("\n")


def _unwritten(batch: list[bytes], done: int) -> int:
    """Return how many lines of a batch are not wholly among its first `done` bytes."""
    lost, end = 0, 0
    for line in batch:
        end += len(line)
        lost += end > done
    return lost
