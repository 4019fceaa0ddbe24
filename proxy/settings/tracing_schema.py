"""Settings of tracing: what vendors are told, and where spans are exported to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from proxy.credentials import Secret
from proxy.settings.values import Matching, PathField, Seconds, SecretField, Section, ShortText, WholeNumber, parse_origin

TRACES_PATH: Final = "/v1/traces"
"""Where a collector takes spans (OTLP 1.x, "OTLP/HTTP Request")."""
_ENDPOINT: Final = re.compile(r"(https?://[^/?#]*)((?:/[A-Za-z0-9._~-]+)*)/?")
_ENDPOINT_RULE: Final = "must be an address such as http://127.0.0.1:4318 or https://collector.example.com/otlp/v1/traces"
_OURS: Final = frozenset(("content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"))


def parse_endpoint(value: object) -> str:
    """Read the address of a collector, `/v1/traces` added where it has no path; raise `ValueError` that does not repeat it."""
    match = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_ENDPOINT_RULE)
    return f"{parse_origin(match[1])}{match[2] or TRACES_PATH}"


def _not_ours(headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
    if any(name.lower() in _OURS for name in headers):
        raise ValueError("must not name what every request to the collector has: Host, Content-Type and the like")
    for value in headers.values():
        if not value.reveal().isascii() or not value.reveal().decode("ascii").isprintable():
            raise ValueError("must have values of printable ASCII")
    return MappingProxyType(dict(headers))


EndpointField = Annotated[
    str,
    PlainValidator(parse_endpoint),
    WithJsonSchema({"type": "string", "examples": ["http://127.0.0.1:4318"]}),
]
HeaderName = Annotated[str, Matching(r"[A-Za-z0-9-]{1,64}", "must have 1 to 64 letters, digits and '-'")]


class OtlpSettings(Section):
    """Spans of the requests, exported by OTLP over HTTP. Needs the extra `otel`."""

    endpoint: EndpointField = Field(description="Address of the collector; /v1/traces is added where it has no path.")
    headers: Annotated[Mapping[HeaderName, SecretField], Field(max_length=20), AfterValidator(_not_ours)] = Field(
        default_factory=dict,
        description="Header fields of every export, such as a key. Take their values from ${VAR} or ${file:/path}.",
    )
    ca_file: PathField | None = Field(
        default=None, description="https:// only: PEM file with the private CA of the collector, relative to this file."
    )
    ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="Share of the traces begun here that is sampled. Those that are taken over are sampled as they say."
    )
    service_name: ShortText = Field(default="scopegate", description="The name of this service in traces.")
    compression: Literal["none", "gzip"] = Field(default="none", description="How exports are compressed.")
    interval_s: Seconds = Field(default=5, description="Seconds between two exports where there is little to tell.")
    timeout_s: Seconds = Field(default=10, description="Seconds that one export may take, its repetitions included.")
    max_queued: WholeNumber = Field(
        default=8192, ge=512, le=1_000_000, description="Most requests, per worker, whose spans wait for the collector; more are dropped."
    )


class TracingSettings(Section):
    """Which trace a request belongs to."""

    pass_to_vendor: bool = Field(
        default=True, description="Whether vendors are told: traceparent, tracestate and X-Request-ID. Without it, none of them is sent."
    )
    otlp: OtlpSettings | None = Field(default=None, description="Where spans are exported to; without it, there are none.")
