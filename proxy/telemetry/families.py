"""A snapshot as Prometheus metric families. Runs in a thread, at scrape time; nothing here sees a request.

Each counter is one line of the table: which label values a row of the combined counter has for it (none: does not count),
and which series exist from the start.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from proxy.model import Mode
from proxy.telemetry.breathing import in_breaths
from proxy.telemetry.exchange import Actual, CacheResult, Outcome, Predicted, ResponseKind
from proxy.telemetry.histogram import Histogram
from proxy.telemetry.labels import NO_VENDOR, OBJECTIONS, OTHER_FAULT, REASONS, KnownLabels, Reading, Row, Values
from proxy.telemetry.metrics import Snapshot

_Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One counter: `of` gives the series that a row counts for, `start` those that are there with 0."""

    name: str
    help: str
    labels: _Labels
    of: Callable[[Row], Iterable[_Labels]]
    start: Callable[[KnownLabels], Iterable[_Labels]]


def _requests(row: Row) -> Iterable[_Labels]:
    return ((row.vendor, row.client, row.outcome),)


def _decisions(row: Row) -> Iterable[_Labels]:
    # A bad request was never decided about, whatever its record says.
    return () if row.outcome is Outcome.BAD_REQUEST else ((row.vendor, row.operation, row.decision, row.mode, row.evidence),)


def _missing(row: Row) -> Iterable[_Labels]:
    return ((row.vendor, row.client, scope, row.mode) for scope in row.missing[0]) if row.missing else ()


def _predictions(row: Row) -> Iterable[_Labels]:
    return () if row.predicted is Predicted.NONE else ((row.vendor, row.predicted, row.actual),)


def _vendor_responses(row: Row) -> Iterable[_Labels]:
    if row.response_kind is ResponseKind.NONE:
        return ()
    code_class = f"{row.status // 100}xx" if row.answered_by == "vendor" else "none"
    return ((row.vendor, row.operation, code_class, row.response_kind),)


def _avoided(row: Row) -> Iterable[_Labels]:
    return ((row.vendor, row.reason),) if row.outcome is Outcome.DENIED else ()


def _policy_denials(row: Row) -> Iterable[_Labels]:
    return ((row.vendor, row.client, row.policy, row.mode),) if row.policy else ()


def _possible_objections(known: KnownLabels) -> Iterable[_Labels]:
    return product(known.vendors, known.clients, OBJECTIONS, (Mode.ENFORCE, Mode.SHADOW))


def _cache_requests(row: Row) -> Iterable[_Labels]:
    return () if row.cache is CacheResult.NONE else ((row.vendor, row.cache),)


def _faults(row: Row) -> Iterable[_Labels]:
    return ((row.vendor, row.fault),) if row.fault else ()


def _on_first_use(_: KnownLabels) -> Iterable[_Labels]:
    return ()


def _all_vendors(known: KnownLabels) -> tuple[str, ...]:
    return (*known.vendors, NO_VENDOR)


_RULES: Final = (
    _Rule(
        "scopegate_requests_total",
        "Requests by what became of them.",
        ("vendor", "client", "outcome"),
        _requests,
        lambda known: product(_all_vendors(known), known.clients, Outcome),
    ),
    _Rule(
        "scopegate_decisions_total",
        "Decisions by operation, mode and the evidence they rest on; bad requests are not decided about.",
        ("vendor", "operation", "decision", "mode", "evidence"),
        _decisions,
        _on_first_use,
    ),
    _Rule(
        "scopegate_missing_scope_total",
        "Denials, or would-be denials, by each scope that the shortest way out asks for.",
        ("vendor", "client", "scope", "mode"),
        _missing,
        _on_first_use,
    ),
    _Rule(
        "scopegate_predictions_total",
        "Predictions by what the vendor then really did.",
        ("vendor", "predicted", "actual"),
        _predictions,
        lambda known: product(known.vendors, (value for value in Predicted if value is not Predicted.NONE), Actual),
    ),
    _Rule(
        "scopegate_vendor_responses_total",
        "Answers of the vendor, by class of status code and kind; code_class is none where no status arrived.",
        ("vendor", "operation", "code_class", "kind"),
        _vendor_responses,
        _on_first_use,
    ),
    _Rule(
        "scopegate_vendor_calls_avoided_total",
        "Requests answered locally instead of being sent to the vendor.",
        ("vendor", "reason"),
        _avoided,
        lambda known: product(known.vendors, REASONS),
    ),
    _Rule(
        "scopegate_policy_denials_total",
        "Denials, or would-be denials, by the operator's own rules, and which of them fell short.",
        ("vendor", "client", "why", "mode"),
        _policy_denials,
        _possible_objections,
    ),
    _Rule(
        "scopegate_grant_cache_requests_total",
        "Look-ups of what is known about a token.",
        ("vendor", "result"),
        _cache_requests,
        lambda known: product(known.vendors, (CacheResult.HIT, CacheResult.MISS)),
    ),
    _Rule(
        "scopegate_faults_total",
        "Requests that ended in a fault of the request, the proxy or the way to the vendor.",
        ("vendor", "reason"),
        _faults,
        lambda known: product(_all_vendors(known), (*sorted(known.faults), OTHER_FAULT)),
    ),
)


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield every metric family of the page."""
    yield from _counters(snapshot)
    yield from _histograms(snapshot)
    yield from _caches(snapshot)
    yield from _configuration(snapshot)
    yield from (_reading(reading, values) for reading, values in snapshot.readings)
    yield _unreadable(snapshot)


def _counters(snapshot: Snapshot) -> Iterator[Metric]:
    rows = [(snapshot.known.clean(Row._make(key)), count) for key, count in in_breaths(zip(snapshot.keys, snapshot.counts, strict=True))]
    for rule in _RULES:
        series: dict[_Labels, float] = dict.fromkeys(rule.start(snapshot.known), 0)
        for row, count in in_breaths(rows):
            for labels in rule.of(row):
                series[labels] = series.get(labels, 0) + count
        yield _simple(CounterMetricFamily(rule.name, rule.help, labels=rule.labels), series)


def _simple(family: CounterMetricFamily | GaugeMetricFamily, series: Values) -> Metric:
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


def _histograms(snapshot: Snapshot) -> Iterator[Metric]:
    requests = HistogramMetricFamily(
        "scopegate_request_duration_seconds",
        "Time from the end of the request head to the last byte of the answer.",
        labels=("vendor", "outcome"),
    )
    yield _filled(requests, snapshot.requests.items())
    overhead = HistogramMetricFamily("scopegate_overhead_seconds", "The proxy's own share of a request's time.", labels=())
    yield _filled(overhead, [((), snapshot.overhead)])
    vendors = HistogramMetricFamily("scopegate_vendor_duration_seconds", "Time spent waiting for the vendor.", labels=("vendor",))
    yield _filled(vendors, (((vendor,), histogram) for vendor, histogram in snapshot.vendors.items()))


def _filled(family: HistogramMetricFamily, series: Iterable[tuple[_Labels, Histogram]]) -> Metric:
    for labels, histogram in series:
        bounds = (*map(_bound_text, histogram.bounds), "+Inf")
        family.add_metric(labels, list(zip(bounds, histogram.cumulative(), strict=True)), histogram.total)
    return family


def _bound_text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def _caches(snapshot: Snapshot) -> Iterator[Metric]:
    entries = GaugeMetricFamily("scopegate_grant_cache_entries", "Tokens of which something is known.", labels=("vendor",))
    evictions = CounterMetricFamily(
        "scopegate_grant_cache_evictions_total", "Tokens whose knowledge was pushed out to keep the cache bounded.", labels=("vendor",)
    )
    for vendor, size in snapshot.caches.items():
        entries.add_metric((vendor,), size.entries)
        evictions.add_metric((vendor,), size.evictions)
    yield from (entries, evictions)


def _configuration(snapshot: Snapshot) -> Iterator[Metric]:
    config = snapshot.config
    yield InfoMetricFamily("scopegate_build", "The running program.", {"version": snapshot.version, "python": platform.python_version()})
    yield InfoMetricFamily("scopegate_config", "The configuration in force.", {"revision": config.revision})
    worked = "Whether the last attempt to load the configuration succeeded."
    yield GaugeMetricFamily("scopegate_config_last_reload_successful", worked, float(config.last_reload_ok))
    when = "When the configuration in force was loaded."
    yield GaugeMetricFamily("scopegate_config_last_reload_success_timestamp_seconds", when, config.loaded_at)


def _reading(reading: Reading, values: Values) -> Metric:
    kind = CounterMetricFamily if reading.counter else GaugeMetricFamily
    return _simple(kind(reading.name, reading.help, labels=reading.labels), values)


def _unreadable(snapshot: Snapshot) -> Metric:
    text = "Metrics left out of a scrape because reading them failed."
    family = CounterMetricFamily("scopegate_unreadable_metrics_total", text, labels=("metric",))
    return _simple(family, {(name,): count for name, count in snapshot.failed_readings.items()})
