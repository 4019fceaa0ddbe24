"""Scores of all workers in one ledger, the supervisor's; an operation that one worker puts back to shadow is in shadow for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import orjson

from proxy.evidence.score_rows import FalseDenial, Row, decode, encode_demotion
from proxy.evidence.scores import Scores
from proxy.workers.changes import note
from proxy.workers.spreading import Spreading

SCORE: Final = "score"
"""The kind of records with what a worker has scored."""
_DEMOTED, _LIFTED = "demoted", "lifted"


class Scorekeeper:
    """A worker's sink of its ledger: what is new in a row goes to the supervisor, a demotion to everybody."""

    def __init__(self, scores: Scores, spreading: Spreading, send: Callable[[str, bytes], bool]) -> None:
        self._scores = scores
        self._spreading = spreading
        self._send = send
        self._sent: dict[tuple[str, str], Row] = {}
        spreading.on_note(_DEMOTED, lambda data: scores.restore([decode(data)]))
        spreading.on_note(_LIFTED, self._lift)

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:  # noqa: ARG002 - the signature of a sink
        """Hand on what is new."""
        kept = decode(encode())
        if isinstance(kept, FalseDenial):
            self._spreading.note(_DEMOTED, encode_demotion(kept))
            return
        earlier = self._sent.get((vendor, key))
        new = kept if earlier is None else kept.since(earlier)
        if any(new.counts) and self._send(SCORE, new.encode()):
            self._sent[vendor, key] = kept

    def gone(self, vendor: str, key: str) -> None:
        """Count a row afresh that was dropped; the supervisor drops its own."""
        self._sent.pop((vendor, key), None)

    def _lift(self, data: bytes) -> None:
        vendor, operation = orjson.loads(data)
        self._scores.lift(vendor, operation)
        self._sent = {name: row for name, row in self._sent.items() if (row.key.vendor, row.key.operation) != (vendor, operation)}


class Scoreboard:
    """The supervisor's side: adds up, and tells who begins what is in shadow."""

    def __init__(self, scores: Scores, spreading: Spreading) -> None:
        self._scores = scores
        self._spreading = spreading
        spreading.on_note(_DEMOTED, self._demote)
        spreading.always_tell(self._demotions)

    def take(self, _worker: int, data: bytes) -> None:
        """Add what a worker has scored."""
        more = decode(data)
        if isinstance(more, Row):
            self._scores.add(more)

    def catch_up(self) -> None:
        """Hear of demotions until now."""
        self._spreading.catch_up()

    def lifted(self, vendor: str, operation: str) -> None:
        """Tell all workers that an operation is enforced again."""
        self._spreading.note(_LIFTED, orjson.dumps([vendor, operation]))

    def _demote(self, data: bytes) -> None:
        found = decode(data)
        if isinstance(found, FalseDenial):
            self._scores.demote(found)

    def _demotions(self) -> Iterable[bytes]:
        return (note(_DEMOTED, encode_demotion(found)) for found in self._scores.demotions())
