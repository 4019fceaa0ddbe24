"""What is counted, under which labels, and what nobody can make a label of."""

from __future__ import annotations

from itertools import product

import pytest

from proxy.model import Reason
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Outcome, Predicted, ResponseKind
from proxy.telemetry.labels import KnownLabels, Reading, Values, VendorLabels
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, KNOWN, but, counted, labels, make_metrics, page_of, series

VENDORS = ("ringcentral", "8x8")
RC = {"vendor": "ringcentral"}


def test_a_forwarded_exchange_is_counted_once_everywhere() -> None:
    metrics = make_metrics()
    metrics.record(FORWARDED)
    operation = {**RC, "operation": "readCompanyCallLog"}
    assert counted(metrics, "scopegate_requests_total") == {labels(**RC, client="call-archiver", outcome="forwarded"): 1}
    decided = labels(**operation, decision="permit", mode="enforce", evidence="token_response")
    assert counted(metrics, "scopegate_decisions_total") == {decided: 1}
    assert counted(metrics, "scopegate_predictions_total") == {labels(**RC, predicted="permit", actual="accepted"): 1}
    assert counted(metrics, "scopegate_vendor_responses_total") == {labels(**operation, code_class="2xx", kind="ok"): 1}
    assert counted(metrics, "scopegate_grant_cache_requests_total") == {labels(**RC, result="hit"): 1}
    for absent in ("missing_scope_total", "vendor_calls_avoided_total", "faults_total"):
        assert counted(metrics, f"scopegate_{absent}") == {}


def test_a_denial_counts_the_shortest_way_out_and_the_call_that_was_not_made() -> None:
    metrics = make_metrics()
    metrics.record(DENIED)
    metrics.record(DENIED)
    missing = labels(**RC, client="call-archiver", scope="ReadCallLog", mode="enforce")
    assert counted(metrics, "scopegate_missing_scope_total") == {missing: 2}
    assert counted(metrics, "scopegate_vendor_calls_avoided_total") == {labels(**RC, reason="missing_scope"): 2}
    assert counted(metrics, "scopegate_vendor_responses_total") == {}
    assert counted(metrics, "scopegate_vendor_duration_seconds_count") == {}


def test_a_would_be_denial_counts_its_scope_but_no_avoided_call() -> None:
    metrics = make_metrics()
    metrics.record(but(DENIED, outcome=Outcome.WOULD_DENY, decision=Decision.WOULD_DENY, mode="shadow", actual=Actual.ACCEPTED))
    missing = labels(**RC, client="call-archiver", scope="ReadCallLog", mode="shadow")
    assert counted(metrics, "scopegate_missing_scope_total") == {missing: 1}
    assert counted(metrics, "scopegate_predictions_total") == {labels(**RC, predicted="deny", actual="accepted"): 1}
    assert counted(metrics, "scopegate_vendor_calls_avoided_total") == {}


def test_a_stand_in_scope_and_a_scope_of_nobody_are_unknown() -> None:
    metrics = make_metrics()
    metrics.record(but(DENIED, missing=(("operation:readCompanyCallLog", "Invented"),)))
    assert [dict(key)["scope"] for key in counted(metrics, "scopegate_missing_scope_total")] == ["unknown"]


def test_a_bad_request_is_counted_but_not_as_a_decision() -> None:
    metrics = make_metrics()
    metrics.record(BAD_REQUEST)
    assert counted(metrics, "scopegate_requests_total") == {labels(vendor="none", client="anonymous", outcome="bad_request"): 1}
    assert counted(metrics, "scopegate_faults_total") == {labels(vendor="none", reason="backslash"): 1}
    assert counted(metrics, "scopegate_decisions_total") == {}
    assert counted(metrics, "scopegate_predictions_total") == {}


def test_a_transport_failure_has_no_code_class() -> None:
    metrics = make_metrics()
    failed = {"outcome": Outcome.UPSTREAM_ERROR, "response_kind": ResponseKind.TRANSPORT, "fault": "upstream_unreachable"}
    metrics.record(but(FORWARDED, status=502, answered_by="proxy", actual=Actual.FAILED, **failed))
    key = labels(**RC, operation="readCompanyCallLog", code_class="none", kind="transport")
    assert counted(metrics, "scopegate_vendor_responses_total") == {key: 1}


def test_nothing_a_caller_sends_becomes_a_label() -> None:
    metrics = make_metrics()
    canary = 'canary"\n{}'
    texts = dict.fromkeys(("vendor", "client", "mode", "operation", "reason", "evidence", "fault", "method", "path", "fingerprint"), canary)
    metrics.record(but(DENIED, missing=((canary,),), **texts))
    assert "canary" not in page_of(metrics)
    assert counted(metrics, "scopegate_requests_total") == {labels(vendor="none", client="unknown", outcome="denied"): 1}
    assert counted(metrics, "scopegate_faults_total") == {labels(vendor="none", reason="other"): 1}


def test_known_series_start_at_zero() -> None:
    metrics = make_metrics()
    expected: dict[str, list[tuple[tuple[str, str], ...]]] = {
        "scopegate_requests_total": [
            labels(vendor=vendor, client=client, outcome=outcome)
            for vendor, client, outcome in product((*VENDORS, "none"), KNOWN.clients, Outcome)
        ],
        "scopegate_predictions_total": [
            labels(vendor=vendor, predicted=predicted, actual=actual)
            for vendor, predicted, actual in product(VENDORS, set(Predicted) - {Predicted.NONE}, Actual)
        ],
        "scopegate_vendor_calls_avoided_total": [labels(vendor=v, reason=reason) for v, reason in product(VENDORS, Reason)],
        "scopegate_grant_cache_requests_total": [
            labels(vendor=v, result=result) for v, result in product(VENDORS, (CacheResult.HIT, CacheResult.MISS))
        ],
        "scopegate_request_duration_seconds_count": [labels(vendor=v, outcome=o) for v, o in product((*VENDORS, "none"), Outcome)],
        "scopegate_vendor_duration_seconds_count": [labels(vendor=v) for v in VENDORS],
        "scopegate_overhead_seconds_count": [()],
    }
    for name, keys in expected.items():
        assert series(metrics, name) == dict.fromkeys(keys, 0.0), name
    for name in ("decisions", "missing_scope", "vendor_responses"):
        assert series(metrics, f"scopegate_{name}_total") == {}


def test_histograms_split_a_request_into_the_vendors_share_and_ours() -> None:
    metrics = make_metrics()
    metrics.record(FORWARDED)
    at = {**RC, "outcome": "forwarded"}
    assert series(metrics, "scopegate_request_duration_seconds_sum")[labels(**at)] == 0.125
    buckets = series(metrics, "scopegate_request_duration_seconds_bucket")
    assert [buckets[labels(**at, le=bound)] for bound in ("0.1", "0.25", "+Inf")] == [0, 1, 1]
    assert series(metrics, "scopegate_vendor_duration_seconds_sum")[labels(**RC)] == 0.1245
    assert series(metrics, "scopegate_overhead_seconds_sum")[()] == pytest.approx(0.0005)


def test_a_vendor_clock_that_outran_ours_never_makes_a_sum_fall() -> None:
    metrics = make_metrics()
    metrics.record(but(FORWARDED, duration=0.1, vendor_duration=0.2))
    assert series(metrics, "scopegate_overhead_seconds_sum")[()] == 0


def test_past_the_limit_requests_are_still_counted_but_without_operation_and_scope() -> None:
    known = KnownLabels({"ringcentral": VendorLabels(frozenset(map(str, range(20))))}, KNOWN.clients)
    metrics = make_metrics(known, max_combinations=5)
    for number in range(20):
        metrics.record(but(FORWARDED, operation=str(number)))
    by_operation = {dict(key)["operation"]: value for key, value in series(metrics, "scopegate_decisions_total").items()}
    assert by_operation == {**{str(number): 1 for number in range(5)}, "unknown": 15}
    assert sum(series(metrics, "scopegate_requests_total").values()) == 20


def test_a_snapshot_stays_as_it_was() -> None:
    metrics = make_metrics()
    metrics.record(FORWARDED)
    snapshot = metrics.snapshot()
    metrics.record(FORWARDED)
    assert sum(snapshot.counts) == 1
    assert sum(snapshot.overhead.counts) == 1
    assert sum(snapshot.requests["ringcentral", Outcome.FORWARDED].counts) == 1


def test_a_reload_adds_labels_and_takes_none_away() -> None:
    metrics = make_metrics()
    metrics.record(FORWARDED)
    metrics.know(KnownLabels({"generic": VendorLabels()}, frozenset({"reporter"})))
    requests = series(metrics, "scopegate_requests_total")
    assert requests[labels(**RC, client="call-archiver", outcome="forwarded")] == 1
    assert requests[labels(vendor="generic", client="reporter", outcome="denied")] == 0
    metrics.record(but(FORWARDED, vendor="generic"))
    assert series(metrics, "scopegate_vendor_duration_seconds_count")[labels(vendor="generic")] == 1


def test_the_configuration_and_the_build_are_told() -> None:
    metrics = make_metrics()
    metrics.config_loaded("abc123", 1795291200.0)
    metrics.config_rejected()
    assert series(metrics, "scopegate_config_info") == {labels(revision="abc123"): 1}
    assert series(metrics, "scopegate_config_last_reload_successful") == {(): 0}
    assert series(metrics, "scopegate_config_last_reload_success_timestamp_seconds") == {(): 1795291200.0}
    assert [dict(key)["version"] for key in series(metrics, "scopegate_build_info")] == ["1.2.3"]
    metrics.config_loaded("def456", 1795291300.0)
    assert series(metrics, "scopegate_config_last_reload_successful") == {(): 1}


def test_the_caches_are_told() -> None:
    metrics = make_metrics()
    assert series(metrics, "scopegate_grant_cache_entries") == {labels(**RC): 7, labels(vendor="8x8"): 0}
    assert series(metrics, "scopegate_grant_cache_evictions_total") == {labels(**RC): 2, labels(vendor="8x8"): 0}


def test_readings_appear_and_a_broken_one_is_left_out_and_counted() -> None:
    metrics = make_metrics()
    pool: Values = {("ringcentral", "idle"): 3.0}
    metrics.watch(
        Reading("scopegate_upstream_connections", "Connections to vendors.", lambda: pool, ("vendor", "state")),
        Reading("scopegate_connections", "Connections of apps.", lambda: {(): float("boom")}),
    )
    assert series(metrics, "scopegate_upstream_connections") == {labels(**RC, state="idle"): 3}
    assert series(metrics, "scopegate_connections") == {}
    assert counted(metrics, "scopegate_unreadable_metrics_total")[labels(metric="scopegate_connections")] >= 1
