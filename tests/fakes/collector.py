"""A collector of spans: what OpenTelemetry's own receives by OTLP over HTTP, decoded."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.fakes.waiting import eventually


@dataclass(frozen=True)
class Told:
    """One span as it came. Ids are hexadecimal digits, times nanoseconds; `parent` is "" at the root."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Any]
    failed: bool
    events: dict[str, dict[str, Any]]
    resource: dict[str, Any]


class Collector:
    """The server: `spans` so far, the headers of each export, and every byte. It answers `status`."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.port = 0

    async def start(self) -> Self:
        """Listen on a free port."""
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Close."""
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b" else body)
        if self.status == 200:
            self.spans.extend(_told(self.bodies[-1]))
        return web.Response(status=self.status, body=b"", content_type="application/x-protobuf")

    async def wait_for(self, count: int) -> list[Told]:
        """Wait until `count` spans have come, and return them, the earliest first."""

        async def they_came() -> bool:
            return len(self.spans) >= count

        await eventually(they_came)
        assert len(self.spans) == count, self.spans
        return sorted(self.spans, key=lambda span: (span.start, span.kind != "SERVER"))


def _told(body: bytes) -> list[Told]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _attributes(batch.resource.attributes))
        for batch in request.resource_spans
        for scope in batch.scope_spans
        for span in scope.spans
    ]


def _span(span: ProtoSpan, resource: dict[str, Any]) -> Told:
    return Told(
        span.name,
        ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        span.status.code == 2,
        {event.name: _attributes(event.attributes) for event in span.events},
        resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(MessageToDict(pair.value)) for pair in pairs}


def _value(value: dict[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    if kind == "arrayValue":
        return [_value(item) for item in plain.get("values", [])]
    return int(plain) if kind == "intValue" else plain
