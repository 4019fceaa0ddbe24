"""Decision lines of all workers to one output, whole: each worker has a pipe of its own, and one thread carries on what is complete.

Where the output does not take them, the pipes fill, and each worker's own queue drops and counts, as that of a single process does.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Final

from proxy.telemetry.descriptors import dropped_lines, write_some
from proxy.telemetry.labels import Reading

_PIECE: Final = 256 * 1024
_POLL_MS: Final = 60_000


class Relay:
    """Carries lines to `descriptor`, which stays the caller's to close."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rests: dict[int, bytes] = {}
        self._new: list[int] = []
        self._lock = threading.Lock()
        self._bell, self._ring = os.pipe()
        self._closing = False
        self._dropped = {"torn": 0, "sink_error": 0}
        self._thread = threading.Thread(target=self._run, name="scopegate-lines", daemon=True)
        self._thread.start()

    def open(self) -> int:
        """Return the end of a new pipe to write lines to; it is the caller's to close."""
        reading, writing = os.pipe()
        with self._lock:
            self._new.append(reading)
        self._wake()
        return writing

    def close(self, timeout: float = 2.0) -> bool:
        """Carry on what is still in the pipes of workers that have ended; say whether that was all, within `timeout` seconds."""
        self._closing = True
        self._wake()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the relay: they add to those of the workers' own queues."""
        return (dropped_lines(self._dropped),)

    def _wake(self) -> None:
        os.write(self._ring, b"\0")

    # --- the thread

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while not (self._closing and not self._rests and not self._new):
            for descriptor, _ in poll.poll(_POLL_MS):
                if descriptor == self._bell:
                    self._admit(poll)
                elif not self._carry(descriptor):
                    poll.unregister(descriptor)
                    os.close(descriptor)

    def _admit(self, poll: select.poll) -> None:
        os.read(self._bell, 4096)
        with self._lock:
            new, self._new = self._new, []
        for descriptor in new:
            self._rests[descriptor] = b""
            poll.register(descriptor, select.POLLIN)

    def _carry(self, descriptor: int) -> bool:
        """Write the lines that are whole; say whether more may come."""
        data = os.read(descriptor, _PIECE)
        if not data:
            self._dropped["torn"] += bool(self._rests.pop(descriptor))
            return False
        whole, _, rest = (self._rests[descriptor] + data).rpartition(b"\n")
        self._rests[descriptor] = rest
        if whole:
            self._write(whole + b"\n")
        return True

    def _write(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += write_some(self._descriptor, data[done:] if done else data)
        except OSError:
            self._dropped["sink_error"] += data.count(b"\n", done)
