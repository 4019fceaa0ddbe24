"""Spans on their way to a collector, by OTLP over HTTP. The only module that knows OpenTelemetry: import it only where it is wanted.

Recording costs an append: spans are made, encoded and sent in the SDK's own thread, and nobody waits for the collector.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from requests.adapters import HTTPAdapter

from proxy import __version__
from proxy.credentials import Secret
from proxy.protocol.trace_context import SAMPLED
from proxy.telemetry.exchange import Exchange, Repetition
from proxy.telemetry.labels import Reading
from proxy.telemetry.spans import Attributes, Span, count_of, spans_of, spans_reading

BATCH: Final = 512
"""Most requests whose spans are sent in one piece."""
CLOSE_S: Final = 3.0
_FLAGS: Final = TraceFlags(TraceFlags.SAMPLED)
_SAMPLED: Final = SpanContext(1, 1, False, _FLAGS)
_SCOPE: Final = InstrumentationScope("scopegate", __version__)

log = logging.getLogger("scopegate")


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans go, and the bounds on sending them. Times in seconds."""

    endpoint: str
    headers: Mapping[str, Secret] = field(default_factory=dict)
    ca_file: Path | None = None
    gzip: bool = False
    interval_s: float = 5.0
    timeout_s: float = 10.0
    max_queued: int = 8192


Places = Callable[[], tuple[Attributes, Mapping[str, Attributes]]]
"""Says where the proxy is, and the vendors by name; asked anew for every batch, because a reload may change it."""


class SpanExport:
    """The recorder. `resource` says who tells."""

    def __init__(self, collector: Collector, resource: Attributes, places: Places) -> None:
        self._collector = collector
        self._resource = resource
        self._places = places
        self._queued = 0  # counted by `record` alone, and `taken` by the SDK's thread alone: no lock is needed
        self._dropped = 0
        self._delivery: _Delivery | None = None
        self._processor: BatchSpanProcessor | None = None

    def start(self, worker: str = "") -> None:
        """Begin to export; `worker` tells several processes of one instance apart."""
        own = {"service.version": __version__, "service.instance.id": str(uuid.uuid4()), **({"scopegate.worker": worker} if worker else {})}
        resource = Resource.create({**self._resource, **own})
        self._delivery = _Delivery(self._collector, self._places, resource)
        self._processor = BatchSpanProcessor(
            self._delivery,
            max_queue_size=self._collector.max_queued,
            schedule_delay_millis=self._collector.interval_s * 1e3,
            max_export_batch_size=BATCH,
        )

    def record(self, exchange: Exchange) -> None:
        """Remember one exchange if its trace is sampled; drop and count it where too many wait."""
        if exchange.trace.flags & SAMPLED:
            self._remember(exchange)

    def repeat(self, repetition: Repetition) -> None:
        """Remember one more exchange like an earlier one; it is written out only when it is sent."""
        if repetition.trace.flags & SAMPLED:
            self._remember(repetition)

    def _remember(self, told: Exchange | Repetition) -> None:
        processor, delivery = self._processor, self._delivery
        if processor is None or delivery is None or self._queued - delivery.taken >= self._collector.max_queued:
            self._dropped += count_of(told)
            return
        self._queued += 1
        processor.on_end(_Waiting(told))

    def close(self, timeout: float = CLOSE_S) -> None:
        """Send what waits, for at most `timeout` seconds. Blocks: call it beside the event loop."""
        processor, self._processor = self._processor, None
        if processor is None:
            return
        closing = threading.Thread(target=processor.shutdown, name="scopegate-spans-close", daemon=True)
        closing.start()
        closing.join(timeout)

    def readings(self) -> tuple[Reading, ...]:
        """Return what is told about spans on the metrics page."""
        return (spans_reading(self._values),)

    def _values(self) -> Mapping[tuple[str, ...], float]:
        sent = self._delivery
        exported, failed = (sent.exported, sent.failed) if sent is not None else (0, 0)
        return {("exported",): exported, ("failed",): failed, ("dropped",): self._dropped}


class _Waiting(ReadableSpan):
    """An exchange in the SDK's queue: its spans are made when they are sent."""

    def __init__(self, told: Exchange | Repetition) -> None:
        self._context = _SAMPLED
        self._told = told

    @property
    def exchange(self) -> Exchange:
        """The exchange, written out."""
        return self._told.exchange() if isinstance(self._told, Repetition) else self._told


class _Delivery(SpanExporter):
    """Makes spans of what waited, and sends them; runs in the SDK's thread only."""

    def __init__(self, collector: Collector, places: Places, resource: Resource) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its texts quote answers; we tell of trouble ourselves
        self._places = places
        self._resource = resource
        self._way = _WatchedWay()
        session = requests.Session()
        session.mount("http://", self._way)
        session.mount("https://", self._way)
        self._exporter = OTLPSpanExporter(
            endpoint=collector.endpoint,
            certificate_file=None if collector.ca_file is None else str(collector.ca_file),
            headers={name: value.reveal().decode("ascii") for name, value in collector.headers.items()},
            timeout=collector.timeout_s,
            compression=Compression.Gzip if collector.gzip else Compression.NoCompression,
            session=session,
        )
        self._failing = False
        self.taken = self.exported = self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans of a batch of exchanges."""
        self.taken += len(spans)
        server, vendors = self._places()
        made = [span for waiting in spans if isinstance(waiting, _Waiting) for span in spans_of(waiting.exchange, server, vendors)]
        result = self._exporter.export([self._readable(span) for span in made])
        if result is SpanExportResult.SUCCESS:
            self.exported += len(made)
        else:
            self.failed += len(made)
        self._tell(result is not SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Hang up."""
        self._exporter.shutdown()

    def _tell(self, failing: bool) -> None:
        """Say once when exports begin to fail, and when they work again."""
        if failing and not self._failing:
            log.warning("spans cannot be exported: %s. They are counted in scopegate_trace_spans_total.", self._way.trouble)
        elif self._failing and not failing:
            log.info("spans are exported again")
        self._failing = failing

    def _readable(self, span: Span) -> ReadableSpan:
        parent = SpanContext(span.trace_id, span.parent_id, span.has_remote_parent, _FLAGS) if span.parent_id else None
        attributes: dict[str, Any] = {**span.attributes, **({"error.type": span.error} if span.error else {})}
        return ReadableSpan(
            span.name,
            SpanContext(span.trace_id, span.span_id, False, _FLAGS),
            parent,
            self._resource,
            attributes,
            events=[Event(name, dict(told), span.end) for name, told in span.events.items()],
            kind=SpanKind.CLIENT if span.is_client else SpanKind.SERVER,
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=_SCOPE,
        )


class _WatchedWay(HTTPAdapter):
    """Remembers what went wrong last, in words that quote neither the collector nor the configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = "unknown"

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request."""
        try:
            response = super().send(*arguments, **options)
        except Exception as error:
            self.trouble = f"the collector cannot be reached ({type(error).__name__})"
            raise
        self.trouble = f"the collector answers {response.status_code}"
        return response
