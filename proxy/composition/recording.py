"""Who hears of every exchange: metrics, recent decisions, ledgers, decision log, audit log, spans."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy import __version__
from proxy.composition.auditing import make_recorder, make_writer
from proxy.composition.labelling import known_labels
from proxy.composition.tracing import make_spans
from proxy.credentials import Secret
from proxy.decision.gate import Clocks
from proxy.settings import Loaded, Settings
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.line_writer import LineWriter
from proxy.telemetry.metrics import CacheSize, Metrics
from proxy.telemetry.recent import Recent
from proxy.telemetry.recorders import Recorder

if TYPE_CHECKING:
    from proxy.telemetry.audit_writer import AuditWriter
    from proxy.telemetry.otlp import SpanExport

log = logging.getLogger("scopegate")


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where records go. By default this process writes them all itself; one of several leaves some of them to another.

    `put_event` takes events of the audit log (None: this process writes it), `log_key` hides the names of resources in decision
    lines (None: a new one), and `spans` says whether spans are exported from here.
    """

    put_event: Callable[[bytes], None] | None = None
    log_key: Secret | None = None
    spans: bool = True


OWN_OUTLETS = Outlets()


class Recording:
    """The recorders that a configuration asks for. `descriptor` is where decision lines go (None: nowhere)."""

    def __init__(
        self,
        loaded: Callable[[], Loaded],
        clocks: Clocks,
        descriptor: int | None,
        outlets: Outlets,
        cache_sizes: Callable[[], Mapping[str, CacheSize]],
    ) -> None:
        first = loaded()
        self.recent = Recent()
        self.writer = LineWriter(descriptor) if descriptor is not None and first.settings.log.decisions else None
        self.audit: AuditWriter | None = make_writer(first, clocks) if outlets.put_event is None else None
        self.spans: SpanExport | None = make_spans(loaded) if outlets.spans else None
        self.metrics = Metrics(known_labels(first), version=__version__, cache_sizes=cache_sizes)
        self._lines = self._decision_log(first.settings, descriptor, outlets)
        self._events = self._audit_log(first, outlets)

    def _decision_log(self, settings: Settings, descriptor: int | None, outlets: Outlets) -> Recorder | None:
        if self.writer is None or descriptor is None:
            return None
        key = outlets.log_key or Secret(secrets.token_bytes(32))
        return decision_log(text=wants_text(settings, descriptor), put=self.writer.put, key=key)

    def _audit_log(self, loaded: Loaded, outlets: Outlets) -> Recorder | None:
        put = outlets.put_event if self.audit is None else self.audit.put
        return None if put is None or loaded.settings.audit is None else make_recorder(put, loaded)

    def recorders(self, ledgers: Mapping[str, Recorder]) -> Mapping[str, Recorder]:
        """Return everybody who hears of an exchange, by name, in the order in which they hear of it."""
        others = {"decision_log": self._lines, "audit": self._events, "spans": self.spans}
        wanted = {name: recorder for name, recorder in others.items() if recorder is not None}
        return {"metrics": self.metrics, "recent": self.recent, **ledgers, **wanted}

    def start(self, worker: str) -> None:
        """Begin to write what is written by threads of their own. `worker`: which process this is, or ""."""
        if self.audit is not None:
            self.audit.start()
        if self.spans is not None:
            self.spans.start(worker)

    async def close(self) -> None:
        """Write what is still to be written."""
        if self.writer is not None:
            self.writer.close()
        if self.audit is not None:
            self.audit.close()
        if self.spans is not None:
            await asyncio.to_thread(self.spans.close)


def tell_of_recorder(name: str, error: Exception) -> None:
    """Log that a recorder fails."""
    log.error("recorder %s fails: %s", name, type(error).__name__)


def wants_text(settings: Settings, descriptor: int) -> bool:
    """Say whether decision lines are written for people: by setting, or because `descriptor` is a terminal."""
    return settings.log.format == "text" or (settings.log.format == "auto" and os.isatty(descriptor))
