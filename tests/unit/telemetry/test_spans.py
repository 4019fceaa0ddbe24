"""What a span says of an exchange, and what it never says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.telemetry.exchange import Actual, Exchange, Outcome, ResponseKind
from proxy.telemetry.spans import REFUSED, Attributes, Span, count_of, spans_of
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, but

SERVER: Attributes = {"url.scheme": "https", "server.address": "proxy.internal", "server.port": 443}
VENDORS: dict[str, Attributes] = {"ringcentral": {"server.address": "platform.ringcentral.com", "server.port": 443}}
CALLED = but(FORWARDED, trace=replace(FORWARDED.trace, vendor_span_id="1122334455667788"))
UNREACHABLE = but(
    CALLED,
    outcome=Outcome.UPSTREAM_ERROR,
    fault="upstream_timeout",
    status=504,
    answered_by="proxy",
    actual=Actual.FAILED,
    response_kind=ResponseKind.TRANSPORT,
)


def both(exchange: Exchange) -> tuple[Span, Span]:
    request, call = spans_of(exchange, SERVER, VENDORS)
    return request, call


def test_a_forwarded_request_is_two_spans() -> None:
    request, call = both(CALLED)
    assert (request.trace_id, request.span_id, request.parent_id) == tuple(
        int(id_, 16) for id_ in ("4bf92f3577b34da6a3ce929d0e0e4736", "e26b5d41903c7f08", "00f067aa0ba902b7")
    )
    assert (call.trace_id, call.span_id, call.parent_id) == (request.trace_id, 0x1122334455667788, request.span_id)
    assert (request.is_client, request.has_remote_parent, call.is_client, call.has_remote_parent) == (False, True, True, False)
    assert request.name == call.name == "GET /restapi/v1.0/account/{accountId}/call-log"
    assert (request.end - request.start, call.end - call.start) == (125_000_000, 124_500_000)
    assert request.start == 1_795_291_200_250_000_000
    assert request.end == call.end
    assert (request.error, call.error, request.events) == ("", "", {})


def test_the_attributes_of_both() -> None:
    request, call = both(CALLED)
    http = {
        "http.request.method": "GET",
        "http.route": "/restapi/v1.0/account/{accountId}/call-log",
        "http.response.status_code": 200,
    }
    assert request.attributes == {
        **http,
        **SERVER,
        "http.request.body.size": 0,
        "http.response.body.size": 512,
        "scopegate.vendor": "ringcentral",
        "scopegate.client": "call-archiver",
        "scopegate.mode": "enforce",
        "scopegate.operation": "readCompanyCallLog",
        "scopegate.decision": "permit",
        "scopegate.predicted": "permit",
        "scopegate.outcome": "forwarded",
        "scopegate.evidence": "token_response",
        "scopegate.actual": "accepted",
        "scopegate.answered_by": "vendor",
        "scopegate.decision_id": "01JD0000000000000000000001",
        "scopegate.request_id": "request-1",
    }
    assert call.attributes == {**http, **VENDORS["ringcentral"], "peer.service": "ringcentral"}


def test_a_denial_is_one_span_and_no_error() -> None:
    (span,) = spans_of(DENIED, SERVER, VENDORS)
    assert (span.error, span.attributes["http.response.status_code"], span.attributes["scopegate.reason"]) == ("", 403, "missing_scope")
    assert span.attributes["scopegate.missing"] == ("ReadCallLog", "ReadCallLog+ReadAccounts")


def test_a_fault_is_an_error_of_both() -> None:
    request, call = both(UNREACHABLE)
    assert (request.error, call.error) == ("upstream_timeout", "upstream_timeout")
    assert "http.response.status_code" not in call.attributes
    assert request.attributes["http.response.status_code"] == 504


@pytest.mark.parametrize(
    ("exchange", "request_error", "call_error"),
    [
        (but(CALLED, status=403, response_kind=ResponseKind.PERMISSION), "", ""),
        (but(CALLED, status=429, response_kind=ResponseKind.RATE_LIMIT), "", ""),
        (but(CALLED, status=500, response_kind=ResponseKind.SERVER_ERROR), "", "500"),
        (but(CALLED, outcome=Outcome.INTERNAL_ERROR, fault="internal_error", status=500), "internal_error", ""),
    ],
)
def test_only_faults_are_errors(exchange: Exchange, request_error: str, call_error: str) -> None:
    request, call = both(exchange)
    assert (request.error, call.error) == (request_error, call_error)


def test_a_scope_that_was_refused_is_an_event() -> None:
    request, call = both(but(CALLED, refused_for="ReadCallLog"))
    assert request.events == {REFUSED: {"scopegate.scope": "ReadCallLog"}}
    assert call.events == {}


def test_a_trace_that_begins_here_has_no_parent() -> None:
    request, _ = both(but(CALLED, trace=replace(CALLED.trace, parent_id="")))
    assert (request.parent_id, request.has_remote_parent) == (0, False)


@pytest.mark.parametrize(("method", "name", "told"), [("POST", "POST", "POST"), ("PROPFIND", "HTTP", "_OTHER"), ("get", "HTTP", "_OTHER")])
def test_only_known_methods_and_templates_make_names(method: str, name: str, told: str) -> None:
    (span,) = spans_of(but(BAD_REQUEST, method=method), SERVER, VENDORS)
    assert (span.name, span.attributes["http.request.method"]) == (name, told)
    assert "http.route" not in span.attributes


@pytest.mark.parametrize("exchange", [CALLED, DENIED, BAD_REQUEST, UNREACHABLE])
def test_no_path_no_peer_and_no_token_is_told(exchange: Exchange) -> None:
    written = repr(spans_of(but(exchange, path="/canary", peer="192.0.2.7"), SERVER, VENDORS))
    assert not any(canary in written for canary in ("canary", "192.0.2.7", "0123456789abcdef"))


@pytest.mark.parametrize("exchange", [CALLED, DENIED, BAD_REQUEST, UNREACHABLE])
def test_spans_are_counted_without_making_them(exchange: Exchange) -> None:
    assert count_of(exchange) == len(spans_of(exchange, SERVER, VENDORS))
