"""From the setting `tracing.otlp` to a recorder that exports spans; without it there is none, and none of its library is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from proxy.settings import Loaded, Origin, Settings, VendorSettings

if TYPE_CHECKING:
    from proxy.telemetry.otlp import SpanExport
    from proxy.telemetry.spans import Attributes


def make_spans(loaded: Callable[[], Loaded]) -> SpanExport | None:
    """Return the recorder that a configuration asks for, not started; None where it asks for none. `loaded`: what is in force."""
    otlp = loaded().settings.tracing.otlp
    if otlp is None:
        return None
    from proxy.telemetry import otlp as exporting  # noqa: PLC0415 - an optional extra, which takes a fifth of a second to load

    collector = exporting.Collector(
        endpoint=otlp.endpoint,
        headers=otlp.headers,
        ca_file=otlp.ca_file,
        gzip=otlp.compression == "gzip",
        interval_s=otlp.interval_s,
        timeout_s=otlp.timeout_s,
        max_queued=otlp.max_queued,
    )
    return exporting.SpanExport(collector, {"service.name": otlp.service_name}, lambda: _places(loaded().settings))


def _places(settings: Settings) -> tuple[Attributes, Mapping[str, Attributes]]:
    """Say where the proxy and the vendors are."""
    origin = settings.public_origin
    vendors = {name: _vendor(vendor) for name, vendor in settings.vendors.items()}
    return {"url.scheme": origin.scheme, **_place(origin)}, vendors


def _vendor(settings: VendorSettings) -> Attributes:
    """Say where a vendor is, unless it has several hosts: an exchange does not say which of them was asked."""
    several = settings.token_upstream is not None or settings.media_origin is not None
    return {} if several else _place(settings.upstream)


def _place(origin: Origin) -> Attributes:
    return {"server.address": origin.host, "server.port": origin.port}
