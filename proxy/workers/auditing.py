"""Audit events of the workers: handed to the supervisor, whose one log has one chain. What does not fit is told when there is room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from proxy.telemetry.audit_writer import AuditWriter
from proxy.telemetry.losses import Gap, Losses

EVENT: Final = "audit"
LOST: Final = "audit_lost"
"""The kinds of records that a worker sends."""


class AuditSender:
    """The worker's end. `send` says whether there was room; `wall` gives seconds since the epoch."""

    def __init__(self, send: Callable[[str, bytes], bool], wall: Callable[[], float]) -> None:
        self._send = send
        self._wall = wall
        self._losses = Losses()

    def put(self, event: bytes) -> None:
        """Hand over one event, or take note that it is lost."""
        if not self._send(EVENT, event):
            self._losses.note(self._wall())

    def tell_losses(self) -> None:
        """Tell what was lost, if anything was and there is room now."""
        gap = self._losses.take()
        if gap is not None and not self._send(LOST, orjson.dumps(tuple(gap))):
            self._losses.give_back(gap)


def take_event(writer: AuditWriter, _worker: int, event: bytes) -> None:
    """The supervisor's end: put an event of a worker into the log."""
    writer.put(event)


def take_losses(writer: AuditWriter, _worker: int, told: bytes) -> None:
    """The supervisor's end: have the log tell what a worker lost."""
    missing, since, until = orjson.loads(told)
    writer.lost(Gap(int(missing), float(since), float(until)))
