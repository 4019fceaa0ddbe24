"""The end of an audit log, as it is found on the disk."""

from __future__ import annotations

import os
from typing import Final

from proxy.telemetry import audit_records, chain

_READ_BACK: Final = 2 * chain.MAX_LINE


class End:
    """The end of a log: its last whole line, and how many bytes of an unfinished one come after it."""

    def __init__(self, descriptor: int, size: int) -> None:
        length = min(size, _READ_BACK)
        data = os.pread(descriptor, length, size - length)
        whole = data.rfind(b"\n") + 1
        self.unfinished = len(data) - whole
        self.line = data[data.rfind(b"\n", 0, max(0, whole - 1)) + 1 : whole]
        self.link = chain.read_link(self.line)
        self.kind = audit_records.read(self.line).get("record")
