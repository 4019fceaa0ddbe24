"""Settings of tracing."""

from __future__ import annotations

from pydantic import Field

from proxy.settings.values import Section


class TracingSettings(Section):
    """Which trace a request belongs to."""

    pass_to_vendor: bool = Field(
        default=True, description="Whether vendors are told: traceparent, tracestate and X-Request-ID. Without it, none of them is sent."
    )
