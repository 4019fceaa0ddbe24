"""One line per request, that no caller can forge."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.telemetry.decision_log import DecisionLog, Encoder
from proxy.telemetry.exchange import Actual, Exchange, Outcome, Predicted
from proxy.telemetry.json_lines import JsonLines
from proxy.telemetry.log_members import as_members
from proxy.telemetry.text_lines import TextLines
from proxy.telemetry.timestamps import timestamp
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED, but

HOSTILE = ("\n", "\r", "\x1b[31m", "\x00", "\x7f", "\x9b31m", "\u2028", "\u202e", "\udcff")


def lines(exchange: Exchange, *, text: bool) -> list[bytes]:
    written: list[bytes] = []
    encode: Encoder = TextLines() if text else JsonLines()
    DecisionLog(encode, written.append).record(exchange)
    return written


def test_a_line_is_json_with_the_documented_fields() -> None:
    (line,) = lines(DENIED, text=False)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "ts": "2026-11-21T20:00:00.250Z",
        "level": "info",
        "event": "decision",
        "decision_id": "01JD0000000000000000000002",
        "request_id": "request-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "e26b5d41903c7f08",
        "parent_span_id": "00f067aa0ba902b7",
        "vendor": "ringcentral",
        "client": "call-archiver",
        "mode": "enforce",
        "method": "GET",
        "operation": "readCompanyCallLog",
        "route": "/restapi/v1.0/account/{accountId}/call-log",
        "path": "/restapi/v1.0/account/~/call-log",
        "decision": "deny",
        "predicted": "deny",
        "outcome": "denied",
        "reason": "missing_scope",
        "missing": [["ReadCallLog"], ["ReadCallLog", "ReadAccounts"]],
        "evidence": "token_response",
        "cache": "hit",
        "status": 403,
        "answered_by": "proxy",
        "actual": "not_sent",
        "kind": "none",
        "fault": "",
        "policy": "",
        "revision": "3f2a91c04d7e",
        "request_bytes": 0,
        "response_bytes": 512,
        "duration_ms": 0.2,
        "vendor_ms": 0.0,
        "overhead_ms": 0.2,
        "fingerprint": "0123456789ab",
    }


@pytest.mark.parametrize("request_id", ["0b9c6a52-7b4e-4d57-9d4c-0b3e1c1f7a01", "a b"])
def test_a_trace_that_begins_here_has_no_parent(request_id: str) -> None:
    (line,) = lines(but(DENIED, request_id=request_id, trace=replace(DENIED.trace, parent_id="")), text=False)
    told = json.loads(line)
    assert (told["request_id"], told["span_id"], "parent_span_id" in told) == (request_id, "e26b5d41903c7f08", False)


def test_a_text_line_tells_what_happened() -> None:
    (line,) = lines(DENIED, text=True)
    assert line == (
        b"20:00:00.250 403 proxy deny ringcentral GET /restapi/v1.0/account/~/call-log operation=readCompanyCallLog"
        b" reason=missing_scope missing=ReadCallLog|ReadCallLog+ReadAccounts client=call-archiver ms=0.2 id=01JD0000000000000000000002"
        b" revision=3f2a91c04d7e\n"
    )


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("field", ["path", "request_id", "client", "method"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_line_holds_anything_but_printable_ascii_and_its_own_newline(text: bool, field: str, hostile: str) -> None:
    (line,) = lines(but(FORWARDED, **{field: f"a{hostile}b"}), text=text)
    assert line[-1:] == b"\n"
    assert all(0x20 <= octet < 0x7F for octet in line[:-1])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_path_is_escaped_not_lost(hostile: str) -> None:
    (line,) = lines(but(FORWARDED, path=f"a{hostile}b"), text=False)
    assert json.loads(line)["path"] == f"a{hostile}b"


def test_a_request_without_a_token_has_no_fingerprint() -> None:
    (line,) = lines(BAD_REQUEST, text=False)
    assert "fingerprint" not in json.loads(line)


@pytest.mark.parametrize("text", [False, True])
def test_a_path_is_cut(text: bool) -> None:
    (line,) = lines(but(FORWARDED, path="/" + "a" * 16_000), text=text)
    assert line.count(b"a" * 255) == 1
    assert b"a" * 256 not in line


def test_a_cut_path_says_so() -> None:
    assert as_members(but(FORWARDED, path="/" * 257), "")["path_cut"] is True
    assert "path_cut" not in as_members(but(FORWARDED, path="/" * 256), "")


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "info"),
        ({"outcome": Outcome.DENIED}, "info"),
        ({"outcome": Outcome.UPSTREAM_ERROR}, "warning"),
        ({"outcome": Outcome.INTERNAL_ERROR}, "error"),
        ({"outcome": Outcome.WOULD_DENY, "predicted": Predicted.DENY, "actual": Actual.ACCEPTED}, "warning"),
        ({"outcome": Outcome.WOULD_DENY, "predicted": Predicted.DENY, "actual": Actual.REFUSED_PERMISSION}, "info"),
    ],
)
def test_a_disproved_denial_and_every_fault_ask_for_attention(changes: dict[str, object], level: str) -> None:
    assert as_members(but(FORWARDED, **changes), "")["level"] == level


def test_timestamps_follow_the_clock_over_a_second_and_back() -> None:
    encode = JsonLines()
    seen = [json.loads(encode(but(FORWARDED, started_at=at)))["ts"][17:] for at in (1.0, 1.9999, 2.001, 1.5)]
    assert seen == ["01.000Z", "01.999Z", "02.000Z", "01.500Z"]
    assert timestamp(1795291200.0) == "2026-11-21T20:00:00.000Z"
