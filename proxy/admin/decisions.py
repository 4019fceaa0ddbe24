"""Recent decisions as the admin API shows them: of this process, or of whoever can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.telemetry.exchange import Exchange
from proxy.telemetry.log_members import as_members
from proxy.telemetry.recent import Filter, Recent
from proxy.telemetry.timestamps import timestamp

Members = Mapping[str, object]


class Decisions(Protocol):
    """Whoever remembers recent decisions."""

    async def find(self, wanted: Filter, limit: int) -> tuple[Sequence[Members], int]:
        """Return at most `limit` decisions that match, the newest first, and how many are remembered in all."""

    async def get(self, decision_id: str) -> Members | None:
        """Return the decision with this id, or None where it is unknown or too long ago."""


class OwnDecisions:
    """Those of this process."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent

    async def find(self, wanted: Filter, limit: int) -> tuple[Sequence[Members], int]:
        """Return at most `limit` decisions that match, the newest first, and how many are remembered in all."""
        return [members_of(exchange) for exchange in self._recent.find(wanted, limit)], len(self._recent)

    async def get(self, decision_id: str) -> Members | None:
        """Return the decision with this id, or None where it is unknown or too long ago."""
        exchange = self._recent.get(decision_id)
        return None if exchange is None else members_of(exchange)


def members_of(exchange: Exchange) -> dict[str, object]:
    """Return a decision as the decision log shows it."""
    return as_members(exchange, timestamp(exchange.started_at))
