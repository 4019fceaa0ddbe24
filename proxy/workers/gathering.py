"""Usage that workers count, gathered in the supervisor's ledger: each telling of a row says what came since the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.evidence.usage import UsageLedger
from proxy.evidence.usage_rows import decode_row

USAGE: Final = "usage"
"""The name of the records."""


class UsageTeller:
    """Where a worker's ledger puts its rows: the `Sink` of `proxy/evidence/ledger.py`. `send` says whether a record was sent."""

    def __init__(self, ledger: UsageLedger, send: Callable[[str, bytes], bool]) -> None:
        self._ledger = ledger
        self._send = send
        self._waiting: dict[tuple[str, str], Callable[[], bytes]] = {}
        self._told: dict[tuple[str, str], tuple[int, int]] = {}

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:  # noqa: ARG002 - the supervisor keeps it
        """Tell what came to a row; what cannot be sent is told the next time."""
        self._waiting[vendor, key] = encode
        self._hand_on((vendor, key))

    def tell(self) -> None:
        """Tell what came to all rows."""
        self._ledger.save()
        for name in tuple(self._waiting):
            self._hand_on(name)

    def _hand_on(self, name: tuple[str, str]) -> None:
        row = decode_row(self._waiting[name]())
        count, lost = row.count, row.lost
        told_count, told_lost = self._told.get(name, (0, 0))
        row.count, row.lost = count - told_count, lost - told_lost
        if self._send(USAGE, row.encode()):
            self._told[name] = (count, lost)
            del self._waiting[name]

    def gone(self, vendor: str, key: str) -> None:
        """Tell nothing more of a row; the supervisor has what was told."""
        self._waiting.pop((vendor, key), None)
        self._told.pop((vendor, key), None)
