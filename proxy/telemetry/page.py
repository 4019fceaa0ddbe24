"""A snapshot as the page of metrics. Imported for the first scrape only, see `exposition.py`."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from proxy.telemetry.breathing import in_breaths
from proxy.telemetry.families import families
from proxy.telemetry.metrics import Snapshot

_GZIP_LEVEL: Final = 1


class Page(NamedTuple):
    """A rendered metrics page."""

    body: bytes
    content_type: str
    compressed: bool = False


def process_collectors() -> tuple[Collector, ...]:
    """Return the collectors of the process itself (CPU, memory, file descriptors, garbage collection)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return (registry,)


class _Breathing(list[Sample]):
    """Samples that let other threads run while they are being written."""

    def __iter__(self) -> Iterator[Sample]:
        return in_breaths(super().__iter__())


class _PageCollector:
    """What the encoder walks: our families first, then those of the process."""

    def __init__(self, snapshot: Snapshot, others: Iterable[Collector]) -> None:
        self._snapshot = snapshot
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        series = 1
        for family in self._families():
            series += len(family.samples)
            yield family
        yield GaugeMetricFamily("scopegate_series", "Series on this page.", float(series))

    def _families(self) -> Iterator[Metric]:
        for family in families(self._snapshot):
            family.samples = _Breathing(family.samples)
            yield family
        for collector in self._others:
            yield from collector.collect()


def render(snapshot: Snapshot, others: Iterable[Collector], accept: str, compress: bool) -> Page:
    """Write the page in the format that `accept` asks for: OpenMetrics, or the Prometheus text format."""
    encode, content_type = choose_encoder(accept)
    body = encode(_PageCollector(snapshot, others))
    return Page(gzip.compress(body, _GZIP_LEVEL), content_type, True) if compress else Page(body, content_type)
