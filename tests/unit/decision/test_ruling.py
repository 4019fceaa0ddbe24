"""The case of one request, and where a vendor is mounted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.decision.ruling import LocalAnswer, Ruling
from proxy.model import Mode, TokenPlace
from proxy.telemetry.exchange import CacheResult, Decision, Outcome
from tests.gates import House, make_head, plans

RC, EIGHT, _ = House(plans()).gate.mounts


def test_a_vendor_has_one_origin_unless_paths_live_elsewhere() -> None:
    assert RC.origin("/Auth/connect/token") == "api"
    two = replace(RC, origins={"/Auth/connect/token": "token"})
    assert (two.origin("/Auth/connect/token"), two.origin("/Auth")) == ("token", "api")


def test_mounts_are_told_apart_by_identity() -> None:
    assert replace(RC) != RC
    assert RC.token_place == TokenPlace(query_parameter="access_token")
    assert EIGHT.token_place == TokenPlace()


def test_a_new_ruling_forwards_and_knows_nothing() -> None:
    ruling = Ruling("id", 5.0, "GET", None)
    assert (ruling.answer, ruling.mount, ruling.match, ruling.knowledge, ruling.prediction) == (None, None, None, None, None)
    assert (ruling.decision, ruling.outcome, ruling.mode, ruling.cache) == (
        Decision.NOT_APPLICABLE,
        Outcome.FORWARDED,
        Mode.OFF,
        CacheResult.NONE,
    )
    assert (ruling.method, ruling.effective_method, ruling.started_at, ruling.client.known) == ("GET", "GET", 5.0, False)


@pytest.mark.parametrize(("given", "expected"), [({}, "id"), ({"X_Request_ID": "mine"}, "mine"), ({"X_Request_ID": "two words"}, "id")])
def test_a_request_id_is_taken_over_or_made(given: dict[str, str], expected: str) -> None:
    assert Ruling("id", 0.0, "GET", make_head(**given)).request_id == expected


@pytest.mark.parametrize("decision", Decision)
def test_the_lines_on_every_response(decision: Decision) -> None:
    ruling = Ruling("ID1", 0.0, "GET", make_head(X_Request_ID="mine"))
    ruling.decision = decision
    assert ruling.stamp(b"vendor").decode() == (
        f"Scopegate-Answered-By: vendor\r\nScopegate-Decision: {decision.value}\r\nScopegate-Decision-Id: ID1\r\nX-Request-ID: mine\r\n"
    )


def test_once_more_is_a_copy_with_its_own_ids() -> None:
    first = Ruling("one", 1.0, "GET", make_head())
    first.decision, first.mount = Decision.PERMIT, RC
    second = first.again("two", 2.0)
    second.fault = "later"
    assert (second.decision_id, second.request_id, second.started_at) == ("two", "two", 2.0)
    assert (second.decision, second.mount, second.head) == (first.decision, RC, first.head)
    assert (first.decision_id, first.request_id, first.fault) == ("one", "one", "")
    named = Ruling("one", 1.0, "GET", make_head(X_Request_ID="mine")).again("two", 2.0)
    assert named.request_id == "mine"
    assert Ruling("one", 1.0, "GET", None).again("two", 2.0).request_id == "two"


def test_a_local_answer_keeps_the_connection() -> None:
    assert LocalAnswer(403, b"", b"").close is False
