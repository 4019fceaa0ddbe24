"""Rules of clients over sockets: each vendor's envelope with the policy's own code, what is counted, and what never leaks."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from tests.integration.house import Answer, House, basic, open_house

ACCOUNT = "/ringcentral/restapi/v1.0/account/~"
CALL_LOG = f"{ACCOUNT}/call-log"
USER = "895db16f-5270-6ef8-e173-10ea365aefcc"
PERMISSIONS = f"/newvoicemedia/useradmin/users/{USER}/permissions/accessPermissions"
Rules = list[dict[str, Any]]


def clients(**rules: Rules | None) -> list[dict[str, Any]]:
    """Return a client per name, whose key is `key-of-<name>`."""
    return [
        {"name": name, "authenticate": {"api_key_sha256": hashlib.sha256(f"key-of-{name}".encode()).hexdigest()}}
        | ({} if allow is None else {"allow": allow})
        for name, allow in rules.items()
    ]


def key(name: str) -> dict[str, str]:
    return {"Scopegate-Key": f"key-of-{name}"}


async def log_in(house: House, app: str, client: str) -> str:
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    answer = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic(app, f"{app}-secret") | key(client), form=form)
    assert answer.status == 200, answer.body
    return str(answer.json["access_token"])


def refused(answer: Answer) -> str:
    """Return why policy refused this; it must be policy that did, and say so everywhere."""
    assert answer.told == (403, "deny", True)
    assert answer.headers["Scopegate-Reason"] == answer.member["reason"] == "policy_not_allowed"
    assert answer.member["missing"] == []
    assert answer.member["remediation"]
    return str(answer.member["explanation"])


async def test_ringcentrals_envelope() -> None:
    simulator = RingCentralSimulator()
    rules = [{"vendor": "ringcentral", "scopes": ["ReadCallLog"]}]
    async with open_house(simulator, clients=clients(archiver=rules)) as house:
        token = await log_in(house, "demo-reader", "archiver")
        before = len(simulator.journal)
        answer = await house.send("GET", ACCOUNT, token, key("archiver"))
        assert "it may use at most ReadCallLog, and " in refused(answer)
        assert "Allowed to it here: at most the scopes ReadCallLog." in refused(answer)
        body = answer.without_member
        assert (body["errorCode"], body["errors"][0]["errorCode"]) == ("SCG-POLICY", "SCG-POLICY")
        assert len(simulator.journal) == before
        denied = await house.send("GET", CALL_LOG, token, key("archiver"))  # within the ceiling, but the token lacks it
        assert (denied.told, denied.member["reason"]) == ((403, "deny", True), "missing_scope")
        unknown = await house.send("GET", f"{ACCOUNT}/no-such-thing", token, key("archiver"))
        assert "has no such method and path" in refused(unknown)
        elsewhere = await house.send("DELETE", f"{ACCOUNT}/extension/~/call-log", token, key("archiver"))
        assert "deleteUserCallLog" in refused(elsewhere)
        assert await house.count("scopegate_policy_denials_total", "client why mode") == {
            ("archiver", "scope_ceiling", "enforce"): 2,
            ("archiver", "unknown_operation", "enforce"): 1,
        }
        assert await house.count("scopegate_missing_scope_total", "scope") == {("ReadCallLog",): 1}
        (told,) = (await house.admin("/api/v1/decisions?reason=policy_not_allowed&operation=deleteUserCallLog"))["decisions"]
        assert (told["policy"], told["client"]) == ("scope_ceiling", "archiver")


async def test_8x8s_envelope() -> None:
    simulator = EightByEightSimulator()
    rules = [{"vendor": "8x8", "tags": ["call-records"], "methods": ["GET"]}]
    async with open_house(simulator, clients=clients(archiver=rules)) as house:
        answer = await house.send("GET", "/8x8/qm/us/v1/users", "token", key("archiver"))
        assert "is not among the operations it may use" in refused(answer)
        assert (answer.json["status"], answer.json["code"]) == (403, "SCG-POLICY")
        records = "/8x8/analytics/work/v2/call-records?pbxId=acmecorp"
        assert (await house.send("GET", records, "token", key("archiver"))).headers["Scopegate-Answered-By"] == "vendor"


async def test_newvoicemedias_envelope_and_a_token_that_passes_only_beyond_the_ceiling() -> None:
    simulator = NewVoiceMediaSimulator()
    rules = [{"vendor": "newvoicemedia", "scopes": ["users:read"]}]
    async with open_house(simulator, clients=clients(console=rules, other=None)) as house:
        told = {}
        for scope in ("users:read", "users:write", "stats"):
            form = {
                "grant_type": "client_credentials",
                "client_id": "demo-user-admin",
                "client_secret": "demo-user-admin-secret",
                "scope": scope,
            }
            login = await house.send("POST", "/newvoicemedia/Auth/connect/token", headers=key("console"), form=form)
            assert login.status == 200, login.body
            accept = {"Accept": "application/vnd.newvoicemedia.v4+json"}
            answer = await house.send("GET", PERMISSIONS, str(login.json["access_token"]), key("console") | accept)
            told[scope] = (answer.local, answer.headers.get("Scopegate-Reason"))
            if scope == "users:write":
                assert "only with a token that holds users:read, and this token does not" in refused(answer)
                assert answer.json["code"] == "SCG-POLICY"
                free = await house.send("GET", PERMISSIONS, str(login.json["access_token"]), key("other") | accept)
                assert free.told == (200, "permit", False)
        assert told == {"users:read": (False, None), "users:write": (True, "policy_not_allowed"), "stats": (True, "missing_scope")}


async def test_vendors_that_no_rule_names_are_closed_and_clients_without_rules_are_free() -> None:
    ringcentral, eight = RingCentralSimulator(), EightByEightSimulator()
    rules: Rules = [{"vendor": "8x8"}]
    async with open_house(ringcentral, eight, clients=clients(one=rules, nothing=[], free=None)) as house:
        login = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=key("one"), form={"grant_type": JWT_GRANT})
        assert "does not let the app 'one' use ringcentral at all" in refused(login)
        assert refused(await house.send("GET", "/8x8/qm/us/v1/users", "token", key("nothing")))
        assert (await house.send("GET", "/8x8/qm/us/v1/users", "token", key("one"))).headers["Scopegate-Answered-By"] == "vendor"
        assert (await house.send("GET", ACCOUNT, await log_in(house, "demo-reader", "free"), key("free"))).told == (200, "permit", False)
        assert await house.count("scopegate_policy_denials_total", "vendor client why") == {
            ("ringcentral", "one", "vendor_not_allowed"): 1,
            ("8x8", "nothing", "vendor_not_allowed"): 1,
        }


@pytest.mark.parametrize(("mode", "decision", "counted"), [("shadow", "would-deny", 3), ("off", "off", 0)])
async def test_other_modes_forward_what_policy_would_refuse(mode: str, decision: str, counted: int) -> None:
    simulator = RingCentralSimulator()
    async with open_house(simulator, mode=mode, clients=clients(archiver=[{"vendor": "ringcentral", "scopes": ["ReadCallLog"]}])) as house:
        token = await log_in(house, "demo-reader", "archiver")
        for _ in range(3):  # the very same request again is not ruled on anew, but counted
            assert (await house.send("GET", ACCOUNT, token, key("archiver"))).told == (200, decision, False)
        assert sum((await house.count("scopegate_policy_denials_total", mode="shadow")).values()) == counted


async def test_the_method_that_counts_is_the_one_that_the_vendor_acts_on() -> None:
    simulator = RingCentralSimulator()
    rules = [{"vendor": "ringcentral", "methods": ["GET", "POST"]}]
    async with open_house(simulator, clients=clients(archiver=rules)) as house:
        token = await log_in(house, "demo-reader", "archiver")
        overridden = {"X-HTTP-Method-Override": "DELETE"} | key("archiver")
        answer = await house.send("POST", f"{ACCOUNT}/extension/~/call-log", token, overridden)
        assert "is not among the methods it may use" in refused(answer)
        assert (await house.send("HEAD", ACCOUNT, token, key("archiver"))).decision == "permit"


async def test_what_is_only_asked_is_what_traffic_meets() -> None:
    simulator = RingCentralSimulator()
    rules: Rules = [{"vendor": "ringcentral", "scopes": ["ReadCallLog"]}]
    async with open_house(simulator, clients=clients(archiver=rules)) as house:
        token = await log_in(house, "demo-reader", "archiver")
        (grant,) = (await house.admin("/api/v1/grants"))["grants"]
        for path in (ACCOUNT, CALL_LOG, f"{ACCOUNT}/no-such-thing"):
            question = {"vendor": "ringcentral", "method": "GET", "path": path.removeprefix("/ringcentral"), "client": "archiver"}
            asked = await house.admin("/api/v1/explain", "POST", question | {"fingerprint": grant["fingerprint"]})
            met = await house.send("GET", path, token, key("archiver"))
            assert (asked["decision"], asked["reason"]) == (met.decision, met.member["reason"])
            assert asked["remediation"] == met.member["remediation"]
        assert "does not send" not in asked["explanation"]
        assert "would answer the request and not send it" in asked["explanation"]


async def test_two_clients_with_one_token_are_told_apart() -> None:
    simulator = RingCentralSimulator()
    rules: Rules = [{"vendor": "ringcentral", "operations": ["readAccountInfo"]}]
    async with open_house(simulator, clients=clients(free=None, bound=rules)) as house:
        token = await log_in(house, "demo-reader", "free")
        for _ in range(2):
            free, bound = [await house.send("GET", CALL_LOG, token, key(name)) for name in ("free", "bound")]
            assert free.member["reason"] == "missing_scope"
            assert "is not among the operations it may use" in refused(bound)
            assert "free" not in bound.body.decode()
