"""The rendered page: what the Prometheus tools say of it, and where it is made."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from proxy.telemetry.exposition import Exposition, process_collectors
from proxy.telemetry.labels import Reading
from proxy.telemetry.page import render
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, make_metrics


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: the page's style was not checked")
    metrics = make_metrics()
    metrics.watch(Reading("scopegate_connections", "Connections of apps.", lambda: {("open",): 1.0}, ("state",)))
    for exchange in (FORWARDED, DENIED, BAD_REQUEST):
        metrics.record(exchange)
    page = render(metrics.snapshot(), process_collectors(), "", compress=False)
    checked = subprocess.run([promtool, "check", "metrics"], input=page.body, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b"process_cpu_seconds_total" in page.body


def test_openmetrics_on_demand() -> None:
    metrics = make_metrics()
    metrics.record(DENIED)
    page = render(metrics.snapshot(), process_collectors(), "application/openmetrics-text; version=1.0.0", compress=False)
    assert page.content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(page.body.decode())}  # type: ignore[no-untyped-call]
    assert {"scopegate_requests", "scopegate_overhead_seconds", "scopegate_build"} <= names


def test_compressed_on_demand() -> None:
    snapshot = make_metrics().snapshot()
    plain, packed = (render(snapshot, (), "", compress=compress) for compress in (False, True))
    assert gzip.decompress(packed.body) == plain.body
    assert packed.compressed


class _Witness:
    """A collector that notes the thread in which the page is made."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def collect(self) -> Iterator[Metric]:
        self.threads.append(threading.get_ident())
        yield GaugeMetricFamily("witness", "Here.", 1)


async def test_the_numbers_are_taken_on_the_loop_and_the_page_is_made_elsewhere() -> None:
    metrics, witness, readers = make_metrics(), _Witness(), list[int]()

    def read() -> dict[tuple[str, ...], float]:
        readers.append(threading.get_ident())
        return {(): 1.0}

    metrics.watch(Reading("scopegate_connections", "Connections of apps.", read))
    page = await Exposition(metrics, lambda: [witness]).scrape()
    assert b"\nwitness 1.0\n" in page.body
    assert readers == [threading.get_ident()]
    assert witness.threads != [threading.get_ident()]
