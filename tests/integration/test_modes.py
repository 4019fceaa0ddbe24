"""Modes and clients, and what the metrics page says after a known sequence of requests."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from typing import Any

import pytest

from proxy.simulators import EightByEightSimulator, RingCentralSimulator
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from tests.integration.house import House, basic, open_house

CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
ACCOUNT = "/ringcentral/restapi/v1.0/account/~"
KEYS = {"archiver": "archiver-key", "tester": "tester-key"}


def clients(**modes: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "authenticate": {"api_key_sha256": hashlib.sha256(key.encode()).hexdigest()}, "mode": modes.get(name)}
        for name, key in KEYS.items()
    ]


async def log_in(house: House, app: str, headers: dict[str, str] | None = None) -> str:
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    fields = basic(app, f"{app}-secret") | (headers or {})
    answer = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=fields, form=form)
    assert answer.status == 200
    return str(answer.json["access_token"])


# --- modes


async def test_shadow_forwards_and_records_what_would_have_been_and_what_was() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, mode="shadow") as house:
        token = await log_in(house, "demo-reader")
        for _ in range(2):
            answer = await house.send("GET", CALL_LOG, token)
            assert answer.told == (403, "would-deny", False)
            assert "scopegate" not in answer.json
        assert len(simulator.journal.to_path(CALL_LOG.removeprefix("/ringcentral"))) == 2
        assert await house.count("scopegate_requests_total", "outcome") == {("forwarded",): 1, ("would_deny",): 2}
        assert await house.count("scopegate_predictions_total", "predicted actual") == {
            ("permit", "accepted"): 1,
            ("deny", "refused_permission"): 2,
        }
        assert await house.count("scopegate_missing_scope_total", "scope mode") == {("ReadCallLog", "shadow"): 2}
        assert await house.count("scopegate_vendor_calls_avoided_total") == {}


async def test_shadow_tells_a_false_denial_and_does_not_repeat_it() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, mode="shadow") as house:
        token = await log_in(house, "demo-reader")
        simulator.reply_next(json_reply(200, {}), json_reply(200, {}))
        assert (await house.send("GET", CALL_LOG, token)).told == (200, "would-deny", False)
        assert (await house.send("GET", CALL_LOG, token)).told == (200, "permit", False)
        assert await house.count("scopegate_predictions_total", "actual", predicted="deny") == {("accepted",): 1}
        (decision,) = (await house.admin("/api/v1/decisions?outcome=would_deny"))["decisions"]
        assert (decision["level"], decision["actual"]) == ("warning", "accepted")


async def test_off_forwards_without_deciding_and_still_learns_logins() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, mode="off") as house:
        token = await log_in(house, "demo-reader")
        answer = await house.send("GET", CALL_LOG, token)
        assert answer.told == (403, "off", False)
        assert await house.count("scopegate_predictions_total") == {}
        assert await house.count("scopegate_decisions_total", "decision mode") == {("off", "off"): 2}
        assert len((await house.admin("/api/v1/grants"))["grants"]) == 1


async def test_a_vendors_mode_overrides_the_global_one() -> None:
    ringcentral, eight = RingCentralSimulator(), EightByEightSimulator()
    async with open_house(ringcentral, eight, mode="off", vendors={"ringcentral": {"mode": "enforce"}}) as house:
        assert (await house.send("GET", CALL_LOG, await log_in(house, "demo-reader"))).told == (403, "deny", True)
        assert (await house.send("GET", "/8x8/qm/us/v1/users", "token")).decision == "off"


async def test_a_clients_mode_overrides_the_vendors() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, clients=clients(tester="shadow")) as house:
        told = {}
        for name, key in KEYS.items():
            token = await log_in(house, "demo-reader", {"Scopegate-Key": key})
            told[name] = (await house.send("GET", CALL_LOG, token, {"Scopegate-Key": key})).told
        assert told == {"archiver": (403, "deny", True), "tester": (403, "would-deny", False)}
        assert await house.count("scopegate_requests_total", "client outcome") == {
            ("archiver", "forwarded"): 1,
            ("archiver", "denied"): 1,
            ("tester", "forwarded"): 1,
            ("tester", "would_deny"): 1,
        }


# --- clients


async def test_key_is_never_forwarded() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, clients=clients()) as house:
        await log_in(house, "demo-reader", {"scopegate-KEY": KEYS["archiver"]})
        (received,) = simulator.journal
        assert received.header_values("Scopegate-Key") == []
        assert KEYS["archiver"].encode() not in b"".join(name + value for name, value in received.headers)


async def test_key_is_not_forwarded_where_there_are_no_clients() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator) as house:
        await log_in(house, "demo-reader", {"Scopegate-Key": "any"})
        assert simulator.journal[0].header_values("Scopegate-Key") == []


@pytest.mark.parametrize("headers", [{}, {"Scopegate-Key": "wrong"}, {"Scopegate-Key": ""}])
async def test_callers_without_a_known_key_are_refused(headers: dict[str, str]) -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, clients=clients()) as house:
        answer = await house.send("GET", ACCOUNT, "token", headers)
        assert answer.told == (403, "deny", True)
        assert answer.json["errorCode"] == "SCG-POLICY"
        assert answer.member["reason"] == answer.headers["Scopegate-Reason"] == "policy_not_allowed"
        assert simulator.journal.total == 0
        assert await house.count("scopegate_requests_total", "client outcome") == {("unidentified", "denied"): 1}
        assert await house.count("scopegate_vendor_calls_avoided_total", "reason") == {("policy_not_allowed",): 1}


async def test_two_keys_are_refused() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, clients=clients()) as house:
        request = b"GET %b HTTP/1.1\r\nHost: a\r\nScopegate-Key: archiver-key\r\nScopegate-Key: x\r\nConnection: close\r\n\r\n"
        answer = await house.raw(request % ACCOUNT.encode())
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert simulator.journal.total == 0


# --- the page


async def sequence(house: House, simulator: RingCentralSimulator) -> None:
    """A login, 3 permitted, 2 denied, 1 in doubt and refused, 1 then denied, 1 unknown operation, 1 bad target, 1 unknown mount."""
    reader, ben = await log_in(house, "demo-reader"), await log_in(house, "demo-lister")
    for _ in range(2):
        assert (await house.send("GET", ACCOUNT, reader)).status == 200
        assert (await house.send("GET", CALL_LOG, reader)).status == 403
    assert (await house.send("GET", CALL_LOG, ben)).status == 200
    simulator.strike_scope(ben, "ReadCallLog")
    assert [(await house.send("GET", CALL_LOG, ben)).decision for _ in range(2)] == ["permit", "deny"]
    assert (await house.send("GET", "/ringcentral/restapi/v1.0/other/thing", reader)).status == 404
    assert (await house.send("GET", "/ringcentral/restapi//v1.0", reader)).status == 400
    assert (await house.send("GET", "/elsewhere", reader)).status == 404


async def test_page_after_a_known_sequence() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator) as house:
        await sequence(house, simulator)
        assert await house.count("scopegate_requests_total", "vendor client outcome") == {
            ("ringcentral", "anonymous", "forwarded"): 7,
            ("ringcentral", "anonymous", "denied"): 3,
            ("none", "unidentified", "bad_request"): 2,
        }
        assert await house.count("scopegate_decisions_total", "operation decision mode evidence") == {
            ("getToken", "permit", "enforce", "none"): 2,
            ("readAccountInfo", "permit", "enforce", "token_response"): 2,
            ("readCompanyCallLog", "deny", "enforce", "token_response"): 2,
            ("readCompanyCallLog", "permit", "enforce", "token_response"): 2,
            ("readCompanyCallLog", "deny", "enforce", "refusal"): 1,
            ("unknown", "not-applicable", "enforce", "none"): 1,
        }
        assert await house.count("scopegate_missing_scope_total", "vendor client scope mode") == {
            ("ringcentral", "anonymous", "ReadCallLog", "enforce"): 3
        }
        assert await house.count("scopegate_predictions_total", "predicted actual") == {
            ("permit", "accepted"): 5,
            ("permit", "refused_permission"): 1,
            ("deny", "not_sent"): 3,
            ("not_applicable", "refused_other"): 1,
        }
        assert await house.count("scopegate_vendor_responses_total", "operation code_class kind") == {
            ("getToken", "2xx", "ok"): 2,
            ("readAccountInfo", "2xx", "ok"): 2,
            ("readCompanyCallLog", "2xx", "ok"): 1,
            ("readCompanyCallLog", "4xx", "permission"): 1,
            ("unknown", "4xx", "other_4xx"): 1,
        }
        assert await house.count("scopegate_vendor_calls_avoided_total", "vendor reason") == {("ringcentral", "missing_scope"): 3}
        assert await house.count("scopegate_grant_cache_requests_total", "result") == {("hit",): 8}
        assert await house.count("scopegate_grant_cache_entries", "vendor") == {("ringcentral",): 2}
        assert await house.count("scopegate_faults_total", "vendor reason") == {
            ("none", "empty_segment"): 1,
            ("none", "no_such_mount"): 1,
        }
        assert await house.count("scopegate_request_duration_seconds_count", "vendor outcome") == {
            ("ringcentral", "forwarded"): 7,
            ("ringcentral", "denied"): 3,
            ("none", "bad_request"): 2,
        }
        assert await house.count("scopegate_overhead_seconds_count") == {(): 12}
        assert await house.count("scopegate_vendor_duration_seconds_count", "vendor") == {("ringcentral",): 7}
        assert await house.count("scopegate_connections_accepted_total") != {}


async def test_decisions_tell_the_same() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator) as house:
        await sequence(house, simulator)
        decisions = (await house.admin("/api/v1/decisions"))["decisions"]
        assert [row["decision"] for row in decisions[::-1]] == [
            *["permit"] * 3, "deny", "permit", "deny", "permit", "permit", "deny", "not-applicable", "not-applicable", "not-applicable"
        ]  # fmt: skip
        denied = (await house.admin("/api/v1/decisions?outcome=denied"))["decisions"]
        assert len(denied) == 3
        assert (await house.admin(f"/api/v1/decisions/{denied[0]['decision_id']}"))["missing"] == [["ReadCallLog"]]


async def test_forgetting_a_token_decides_it_afresh() -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator) as house:
        token = await log_in(house, "demo-reader")
        (grant,) = (await house.admin("/api/v1/grants"))["grants"]
        assert (grant["subject"], grant["scopes"], grant["complete"]) == ("101001", ["ReadAccounts"], True)
        await house.admin(f"/api/v1/grants/{grant['fingerprint']}", "DELETE")
        assert (await house.send("GET", CALL_LOG, token)).told == (403, "indeterminate", False)


@pytest.mark.skipif(not shutil.which("promtool") and not os.environ.get("SCOPEGATE_CI"), reason="promtool (Debian: prometheus) is missing")
async def test_promtool_has_nothing_to_say_about_the_page() -> None:
    ringcentral, eight = RingCentralSimulator(), EightByEightSimulator()
    async with open_house(ringcentral, eight, clients=clients()) as house:
        empty = await house.page()
        token = await log_in(house, "demo-reader", {"Scopegate-Key": KEYS["archiver"]})
        await house.send("GET", CALL_LOG, token, {"Scopegate-Key": KEYS["archiver"]})
        await house.send("GET", "/nowhere")
        for page in (empty, await house.page()):
            process = await asyncio.create_subprocess_exec(
                "promtool", "check", "metrics", stdin=-1, stdout=-1, stderr=asyncio.subprocess.STDOUT
            )
            said, _ = await process.communicate(page.encode())
            assert (process.returncode, said) == (0, b"")
