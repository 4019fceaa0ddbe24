"""What each path of the admin API answers."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.backend import Readiness
from proxy.telemetry.metrics import Metrics
from tests.integration.admin.admin_samples import ARCHIVER, ENDED, FIXED_ACCOUNT, SmallBackend
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED

Session = aiohttp.ClientSession
LOG_PATH = "/restapi/v1.0/account/~/call-log"


async def get(client: Session, path: str, status: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None)


async def ask(client: Session, question: object, status: int = 200) -> Any:
    async with client.post("/api/v1/explain", json=question) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None)


# --- health -----------------------------------------------------------------------------------------------


async def test_alive_and_ready(client: Session) -> None:
    assert await get(client, "/livez") == {"status": "ok"}
    assert await get(client, "/readyz") == {"status": "ready", "checks": {"configuration": {"ok": True, "detail": "loaded"}}}


async def test_one_failing_check_means_not_ready_but_still_alive(client: Session, backend: SmallBackend) -> None:
    def broken() -> Readiness:
        raise RuntimeError("secret-canary")

    backend.checks |= {"state": lambda: Readiness(False, "read-only"), "broken": broken}
    answer = await get(client, "/readyz", 503)
    assert answer["status"] == "not ready"
    assert answer["checks"]["configuration"]["ok"] is True
    assert answer["checks"]["state"] == {"ok": False, "detail": "read-only"}
    assert answer["checks"]["broken"] == {"ok": False, "detail": "the check itself failed"}
    await get(client, "/livez")


async def test_what_traffic_goes_on_without_is_degraded_and_still_ready(client: Session, backend: SmallBackend) -> None:
    backend.checks["state"] = lambda: Readiness(True, "disk full", degraded=True)
    answer = await get(client, "/readyz")
    assert answer["status"] == "degraded"
    assert answer["checks"]["state"] == {"ok": True, "detail": "disk full", "degraded": True}
    backend.checks["listener"] = lambda: Readiness(False)
    assert (await get(client, "/readyz", 503))["status"] == "not ready"


async def test_the_metrics_page(client: Session, metrics: Metrics) -> None:
    metrics.record(FORWARDED)
    async with client.get("/metrics") as response:
        assert response.content_type == "text/plain"
        assert response.headers["Content-Encoding"] == "gzip"  # which aiohttp's client asks for
        names = {family.name for family in text_string_to_metric_families(await response.text())}
    assert {"scopegate_requests", "scopegate_overhead_seconds"} <= names


async def test_the_metrics_page_as_openmetrics(client: Session) -> None:
    async with client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "identity"}
    ) as response:
        assert response.content_type == "application/openmetrics-text"
        assert "Content-Encoding" not in response.headers
        assert (await response.read()).endswith(b"# EOF\n")


# --- decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [BAD_REQUEST, DENIED, FORWARDED]),
        ("?vendor=ringcentral", [DENIED, FORWARDED]),
        ("?vendor=none", [BAD_REQUEST]),
        ("?client=call-archiver&limit=1", [DENIED]),
        ("?operation=readCompanyCallLog&decision=permit", [FORWARDED]),
        ("?outcome=denied", [DENIED]),
        ("?reason=missing_scope", [DENIED]),
        ("?reason=unknown_token", []),
    ],
)
async def test_decisions_are_filtered(client: Session, query: str, found: list[Any]) -> None:
    answer = await get(client, f"/api/v1/decisions{query}")
    assert [decision["decision_id"] for decision in answer["decisions"]] == [exchange.decision_id for exchange in found]
    assert answer["remembered"] == 3


@pytest.mark.parametrize(
    ("query", "reason", "told"),
    [
        ("?vendr=x", "unknown_parameter", "vendor, client, operation"),
        ("?vendor=nobody", "bad_parameter", "ringcentral, 8x8, none"),
        ("?decision=maybe", "bad_parameter", "would-deny"),
        ("?outcome=", "bad_parameter", "leave it out"),
        ("?reason=because", "bad_parameter", "missing_scope"),
        ("?limit=0", "bad_parameter", "1 to 1000"),
        ("?limit=1001", "bad_parameter", "1 to 1000"),
        ("?limit=ten", "bad_parameter", "whole number"),
        ("?limit=%C2%B2", "bad_parameter", "whole number"),
        ("?limit=5&limit=6", "repeated_parameter", "only once"),
        (f"?client={'a' * 257}", "bad_parameter", "256"),
    ],
)
async def test_a_bad_filter_says_what_to_do(client: Session, query: str, reason: str, told: str) -> None:
    problem = await get(client, f"/api/v1/decisions{query}", 400)
    assert (problem["status"], problem["reason"]) == (400, reason)
    assert told in problem["detail"]


async def test_one_decision(client: Session) -> None:
    decision = await get(client, f"/api/v1/decisions/{DENIED.decision_id}")
    assert (decision["decision"], decision["missing"][0], decision["ts"]) == ("deny", ["ReadCallLog"], "2026-11-21T20:00:00.250Z")
    assert (await get(client, "/api/v1/decisions/other", 404))["reason"] == "unknown_decision"


# --- grants -----------------------------------------------------------------------------------------------


async def test_grants_are_listed_newest_first_without_the_ended(client: Session) -> None:
    fixed, archiver = (await get(client, "/api/v1/grants"))["grants"]
    assert archiver == {
        "fingerprint": ARCHIVER.hex(),
        "vendor": "ringcentral",
        "subject": "alice",
        "scopes": ["ReadAccounts"],
        "complete": True,
        "bound": [],
        "complete_for": [],
        "lacks": [],
        "source": "token_response",
        "observed_at": "2026-11-21T20:00:00.000Z",
        "expires_in_s": 60.0,
    }
    assert (fixed["vendor"], fixed["subject"], fixed["expires_in_s"]) == (None, None, None)
    assert fixed["bound"] == [{"scope": "CDR", "resource": "pbx:acme"}]
    lack = {"scope": "Analytics", "resources": ["pbx:acme"], "changeable": True}
    assert fixed["lacks"] == [{**lack, "observed_at": "2026-11-21T20:00:00.000Z", "expires_in_s": 30.0}]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?vendor=ringcentral", [ARCHIVER]),
        ("?vendor=8x8", []),
        ("?subject=alice", [ARCHIVER]),
        (f"?fingerprint={FIXED_ACCOUNT.hex()[:12]}", [FIXED_ACCOUNT]),
        ("?limit=1", [FIXED_ACCOUNT]),
    ],
)
async def test_grants_are_filtered(client: Session, query: str, found: list[bytes]) -> None:
    answer = await get(client, f"/api/v1/grants{query}")
    assert [grant["fingerprint"] for grant in answer["grants"]] == [fingerprint.hex() for fingerprint in found]


async def test_a_long_list_is_walked_to_its_end(client: Session, backend: SmallBackend) -> None:
    known = backend.store.get(ARCHIVER, 0.0)
    assert known is not None
    for number in range(2000):
        backend.store.put(number.to_bytes(16), known)
    answer = await get(client, f"/api/v1/grants?fingerprint={FIXED_ACCOUNT.hex()}")
    assert len(answer["grants"]) == 1


async def test_one_grant(client: Session) -> None:
    assert (await get(client, f"/api/v1/grants/{ARCHIVER.hex()}"))["scopes"] == ["ReadAccounts"]
    assert (await get(client, f"/api/v1/grants/{ENDED.hex()}", 404))["reason"] == "unknown_fingerprint"
    assert (await get(client, "/api/v1/grants/xyz", 400))["reason"] == "bad_fingerprint"


async def test_a_forgotten_grant_is_gone(client: Session, backend: SmallBackend) -> None:
    path = f"/api/v1/grants/{ARCHIVER.hex()}"
    async with client.delete(path) as response:
        assert (response.status, await response.read()) == (204, b"")
    assert backend.store.get(ARCHIVER, 0.0) is None
    async with client.delete(path) as response:
        assert response.status == 404
    async with client.delete("/api/v1/grants/xyz") as response:
        assert response.status == 400


async def test_forgetting_every_token_of_a_vendor(client: Session, backend: SmallBackend) -> None:
    async with client.delete("/api/v1/grants?vendor=ringcentral") as response:
        assert (response.status, await response.json()) == (200, {"vendor": "ringcentral", "forgotten": 3})
    assert len(backend.store) == 0


@pytest.mark.parametrize(
    ("query", "reason"), [("", "no_vendor"), ("?vendor=elsewhere", "bad_parameter"), ("?subject=alice", "unknown_parameter")]
)
async def test_nothing_is_forgotten_without_a_vendor(client: Session, backend: SmallBackend, query: str, reason: str) -> None:
    async with client.delete(f"/api/v1/grants{query}") as response:
        assert (response.status, (await response.json())["reason"]) == (400, reason)
    assert len(backend.store) == 3


@pytest.mark.parametrize(
    ("fingerprint", "status", "answer"),
    [
        (FIXED_ACCOUNT.hex(), 200, {"due": 1}),
        (ARCHIVER.hex(), 409, {"reason": "nothing_to_recheck"}),
        (ENDED.hex(), 404, {"reason": "unknown_fingerprint"}),
        ("xyz", 400, {"reason": "bad_fingerprint"}),
    ],
)
async def test_asking_for_a_recheck(client: Session, fingerprint: str, status: int, answer: dict[str, object]) -> None:
    async with client.post(f"/api/v1/grants/{fingerprint}/recheck") as response:
        found = await response.json()
        assert (response.status, {name: found[name] for name in answer}) == (status, answer)


# --- catalogue and users ----------------------------------------------------------------------------------


async def test_the_catalogue(client: Session) -> None:
    catalog = await get(client, "/api/v1/catalog/ringcentral")
    requires = {operation["id"]: operation["requires"] for operation in catalog["operations"]}
    assert requires == {"readCompanyCallLog": [["ReadCallLog"]], "readStatus": [], "readMystery": "unknown"}
    assert catalog["operations"][0]["path"] == "/restapi/v1.0/account/{accountId}/call-log"
    assert catalog["scopes"]["ReadCallLog"]["remediation"] == ["Ask for it."]
    assert (catalog["source"], catalog["aliases"]) == ("reference, 2026-08", {"CallLog": "ReadCallLog"})


async def test_users(client: Session) -> None:
    (user,) = (await get(client, "/api/v1/users/8x8"))["users"]
    assert user == {
        "user": "42",
        "permissions": {"calls": "none", "users": "read"},
        "pages_seen": [1, 3],
        "page_count": 3,
        "complete": False,
    }
    assert (await get(client, "/api/v1/users/ringcentral"))["users"] == []


@pytest.mark.parametrize("path", ["/api/v1/catalog/nobody", "/api/v1/users/nobody"])
async def test_an_unknown_vendor_is_told_the_known_ones(client: Session, path: str) -> None:
    problem = await get(client, path, 404)
    assert (problem["reason"], problem["detail"]) == ("unknown_vendor", "the configured vendors are: ringcentral, 8x8")


# --- explain ----------------------------------------------------------------------------------------------

QUESTION = {"vendor": "ringcentral", "method": "GET", "path": LOG_PATH}


@pytest.mark.parametrize(
    ("more", "predicted"),
    [
        ({"scopes": "ReadAccounts ReadCallLog"}, "permit"),
        ({"scopes": ["ReadCallLog"]}, "permit"),
        ({"scopes": "ReadAccounts"}, "deny"),
        ({"scopes": []}, "deny"),
        ({"fingerprint": ARCHIVER.hex()}, "deny"),
        ({}, "indeterminate"),
    ],
)
async def test_explain_decides(client: Session, more: dict[str, object], predicted: str) -> None:
    answer = await ask(client, {**QUESTION, **more, "path": f"{LOG_PATH}?view=Detailed", "subject": "alice"})
    assert answer["predicted"] == predicted
    assert answer["missing"] == ([["ReadCallLog"]] if predicted == "deny" else [])
    assert (answer["subject"], answer["query"]) == ("alice", "view=Detailed")


async def test_a_question_without_an_answer(client: Session) -> None:
    problem = await ask(client, {**QUESTION, "fingerprint": ENDED.hex()}, 422)
    assert problem["reason"] == "unanswerable"


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ([], "bad_json"),
        ({"method": "GET", "path": "/"}, "bad_member"),
        ({**QUESTION, "vendor": "nobody"}, "unknown_vendor"),
        ({**QUESTION, "method": "get"}, "bad_member"),
        ({**QUESTION, "method": 7}, "bad_member"),
        ({**QUESTION, "path": "call-log"}, "bad_target"),
        ({**QUESTION, "path": "/a/../b"}, "bad_target"),
        ({**QUESTION, "path": "/a\udc80"}, "bad_json"),
        ({**QUESTION, "scopes": 7}, "bad_member"),
        ({**QUESTION, "scopes": [7]}, "bad_member"),
        ({**QUESTION, "scopes": ["a"] * 1001}, "bad_member"),
        ({**QUESTION, "fingerprint": "short"}, "bad_fingerprint"),
        ({**QUESTION, "fingerprint": ARCHIVER.hex(), "scopes": ""}, "two_subjects"),
        ({**QUESTION, "token": "abc"}, "unknown_member"),
    ],
)
async def test_a_bad_question_says_what_to_do(client: Session, question: object, reason: str) -> None:
    problem = await ask(client, question, 400)
    assert problem["reason"] == reason
    assert len(problem["detail"]) > 20


async def test_a_question_must_be_json(client: Session) -> None:
    async with client.post("/api/v1/explain", data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json(content_type=None))["reason"]) == (400, "bad_json")
    async with client.post("/api/v1/explain", data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert (response.status, (await response.json(content_type=None))["reason"]) == (415, "not_json")
