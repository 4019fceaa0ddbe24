"""What the supervisor asks its workers, and what they answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from operator import itemgetter
from typing import Any, Final

import orjson

from proxy.admin.decisions import members_of
from proxy.telemetry.exchange import Exchange
from proxy.telemetry.recent import Filter, Recent

METRICS: Final = b"m"
DECISIONS: Final = b"d"
DECISION: Final = b"i"
LOOK: Final = b"l"
"""Read the journal up to here."""
SAVE: Final = b"s"
"""Hand on what the ledgers hold."""


def ask_decisions(wanted: Filter, limit: int) -> bytes:
    """Return the question for recent decisions."""
    return DECISIONS + orjson.dumps([asdict(wanted), limit])


def ask_decision(decision_id: str) -> bytes:
    """Return the question for one decision."""
    return DECISION + decision_id.encode("utf-8", "replace")


def answer_decisions(question: bytes, recent: Recent) -> bytes:
    """Answer either question from one worker's memory: each decision with the moment it began, and how many are remembered."""
    exchanges = _asked_for(question, recent)
    return orjson.dumps([[(exchange.started_at, members_of(exchange)) for exchange in exchanges], len(recent)])


def _asked_for(question: bytes, recent: Recent) -> tuple[Exchange, ...]:
    if question[:1] == DECISION:
        found = recent.get(question[1:].decode())
        return () if found is None else (found,)
    wanted, limit = orjson.loads(question[1:])
    return recent.find(Filter(**wanted), limit)


def merge_decisions(answers: Iterable[bytes], limit: int) -> tuple[list[Any], int]:
    """Return the newest of all workers' decisions, the newest first, and how many they remember in all."""
    read = [orjson.loads(answer) for answer in answers]
    found = sorted((row for decisions, _ in read for row in decisions), key=itemgetter(0), reverse=True)
    return [members for _, members in found[:limit]], sum(remembered for _, remembered in read)
