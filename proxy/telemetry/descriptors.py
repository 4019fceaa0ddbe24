"""Writing lines to a file descriptor that others may share, and telling how many were lost."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping

from proxy.telemetry.labels import Reading


def write_some(descriptor: int, data: bytes) -> int:
    """Write what fits; return how many bytes that were. Waits where the descriptor takes nothing; raise OSError where it fails."""
    try:
        return os.write(descriptor, data)
    except BlockingIOError:  # somebody who shares the terminal or pipe made it non-blocking
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.poll()
        return 0


def dropped_lines(dropped: Mapping[str, int]) -> Reading:
    """Return the metric of lines that were lost, by reason; `dropped` is a live view."""
    text = "Decision log lines dropped because the queue was full, the log was closed or the sink failed."
    return Reading(
        "scopegate_log_lines_dropped_total",
        text,
        lambda: {(reason,): count for reason, count in dropped.items()},
        ("reason",),
        counter=True,
    )
