"""AuthZEN 1.0 over HTTP: the rules of the protocol, told by its certification scenario as far as it maps, and our own meanings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from proxy.settings import builtin_config_directory
from proxy.simulators import RingCentralSimulator
from tests.integration.house import House, basic, open_house
from tests.integration.test_policy import clients, key, log_in

CALL_LOG: Final = "/restapi/v1.0/account/{accountId}/call-log"
EXAMPLE: Final = builtin_config_directory() / "catalogs" / "example-generic.yaml"
Json = dict[str, Any]

# The scenario's records as a catalogue: alice reads and writes, bob reads and is an admin, record-2 is archived.
# Its `soft` (an action's property) and its `status` (a resource's) have no counterpart in HTTP: archived is a route of its own here.
RECORDS: Final[Json] = {
    "vendor": "records",
    "source": "the certification scenario of AuthZEN",
    "scopes": {name: {"title": name, "remediation": ["Ask."]} for name in ("read", "write", "admin")},
    "token_endpoint": {"path": "/token", "scope_from": "response"},
    "refusal": {"status": 403, "body": {"error": "insufficient_scope"}},
    "operations": [
        {"id": "read", "method": "GET", "path": "/records/{id}", "requires": [["read"]]},
        {"id": "write", "method": "PUT", "path": "/records/{id}", "requires": [["write"]]},
        {"id": "readArchived", "method": "GET", "path": "/records/record-2", "requires": [["read"]]},
        {"id": "writeArchived", "method": "PUT", "path": "/records/record-2", "requires": [["admin"]]},
    ],
}
ALICE: Final = {"type": "identity", "id": "alice", "properties": {"scopes": ["read", "write"]}}
BOB: Final = {"type": "identity", "id": "bob", "properties": {"scopes": "read admin"}}
READ, WRITE = {"name": "GET"}, {"name": "PUT"}


def record(number: int) -> Json:
    return {"type": "route", "id": f"/records/record-{number}"}


class Pdp:
    """A client of the decision point."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def post(self, path: str, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Json:
        async with self.session.post(f"{self.base}/access/v1/{path}", json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            value = await response.json(content_type=None)
            assert isinstance(value, dict)
            return value

    async def may(self, subject: object, action: object, resource: object, **more: object) -> bool:
        answer = await self.post("evaluation", {"subject": subject, "action": action, "resource": resource, **more})
        assert isinstance(answer["decision"], bool)
        return answer["decision"]

    async def batch(self, *items: object, **top: object) -> list[bool]:
        answer = await self.post("evaluations", {"evaluations": list(items), **top})
        return [item["decision"] for item in answer["evaluations"]]


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[Pdp]:
    file = tmp_path / "records.yaml"
    file.write_text(yaml.safe_dump(RECORDS))
    records = {"kind": "generic", "mount": {"path": "/records"}, "upstream": "http://127.0.0.1:9", "catalog": str(file)}
    async with open_house(vendors={"records": records}) as house, aiohttp.ClientSession() as session:
        yield Pdp(session, f"http://127.0.0.1:{house.app.admin_port}")


# --- Basic ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "action", "resource", "decision"),
    [
        (ALICE, READ, record(1), True),
        (ALICE, WRITE, record(1), True),
        (BOB, READ, record(1), True),
        (BOB, WRITE, record(1), False),
        (ALICE, READ, record(2), True),
        (ALICE, WRITE, record(2), False),
        (BOB, WRITE, record(2), True),
    ],
)
async def test_the_scenarios_decisions(pdp: Pdp, subject: Json, action: Json, resource: Json, decision: bool) -> None:
    for _ in range(2):  # a repeat gives the same answer
        assert await pdp.may(subject, action, resource) is decision
    more = {"context": {"time": "2026-01-01T00:00:00Z"}, "unknown": [1]}
    assert await pdp.may(subject | {"unknown": 1}, action | {"properties": {"x": 1}}, resource | {"y": None}, **more) is decision


QUESTION: Final = {"subject": ALICE, "action": READ, "resource": record(1)}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"subject": None}, "'subject' is missing"),
        ({"action": None}, "'action' is missing"),
        ({"resource": None}, "'resource' is missing"),
        ({"subject": "alice"}, "'subject' must be an object"),
        ({"subject": {"type": "identity"}}, "'subject.id' is missing"),
        ({"subject": {"id": "alice"}}, "'subject.type' is missing"),
        ({"subject": {"type": "identity", "id": 7}}, "'subject.id' must be a string"),
        ({"subject": {"type": "identity", "id": ""}}, "'subject.id' must be a string that is not empty"),
        ({"subject": ALICE | {"properties": []}}, "'subject.properties' must be an object"),
        ({"subject": ALICE | {"properties": {"scopes": 7}}}, "'scopes' must be a string"),
        ({"subject": ALICE | {"properties": {"client": 7, "scopes": []}}}, "'properties.client' must be a string"),
        ({"action": {}}, "'action.name' is missing"),
        ({"action": {"name": True}}, "'action.name' must be a string"),
        ({"resource": {"type": "route"}}, "'resource.id' is missing"),
        ({"resource": ["route"]}, "'resource' must be an object"),
        ({"context": "now"}, "'context' must be an object"),
    ],
)
@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
async def test_a_malformed_question_is_400(pdp: Pdp, changed: Json, told: str, path: str) -> None:
    body = {name: value for name, value in (QUESTION | changed).items() if value is not None}
    problem = await pdp.post(path, body, 400, {"X-Request-ID": "r-400"})
    assert told in problem["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
async def test_a_body_that_is_no_json_object_is_400(pdp: Pdp, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "X-Request-ID": "r-1"}
    async with pdp.session.post(f"{pdp.base}/access/v1/evaluation", data=body, headers=headers) as response:
        assert (response.status, response.headers["X-Request-ID"]) == (400, "r-1")


async def test_another_content_type_is_400(pdp: Pdp) -> None:
    async with pdp.session.post(f"{pdp.base}/access/v1/evaluation", data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 400
        assert "application/json" in (await response.json(content_type=None))["detail"]


async def test_the_requests_id_comes_back(pdp: Pdp) -> None:
    for given, returned in [("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", True), ("x" * 129, False), ("", False)]:
        async with pdp.session.post(f"{pdp.base}/access/v1/evaluation", json=QUESTION, headers={"X-Request-ID": given}) as response:
            assert response.headers.get("X-Request-ID") == (given if returned else None)


# --- Batch ------------------------------------------------------------------------------------------------

ITEMS: Final = ({"resource": record(1)}, {"resource": record(2)}, {"resource": record(3)})


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_the_semantics_of_a_batch(pdp: Pdp, semantic: str | None, decisions: list[bool]) -> None:
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic}}
    assert await pdp.batch(*ITEMS, subject=ALICE, action=WRITE, **options) == decisions


async def test_an_item_replaces_whole_defaults(pdp: Pdp) -> None:
    top = {"subject": ALICE, "action": WRITE, "resource": record(2)}
    assert await pdp.batch({}, {"action": READ}, {"subject": BOB}, {"subject": BOB, "resource": record(1)}, **top) == [
        False,
        True,
        True,
        False,
    ]
    bare = {"subject": {"type": "identity", "id": "alice"}}  # the scopes of the default do not seep into it
    answer = await pdp.post("evaluations", {"evaluations": [bare], **top})
    assert answer["evaluations"][0]["context"]["error"]["status"] == 404


async def test_what_is_wrong_with_an_item_is_told_in_its_place(pdp: Pdp) -> None:
    items = [{"resource": record(1)}, {}, 7, {"resource": {"type": "route"}}, {"resource": record(1), "subject": {"type": "identity"}}]
    answer = await pdp.post("evaluations", {"subject": ALICE, "action": READ, "evaluations": items})
    good, *bad = answer["evaluations"]
    assert good["decision"] is True
    assert [item["decision"] for item in bad] == [False] * 4
    assert [item["context"]["error"]["status"] for item in bad] == [400] * 4
    assert bad[0]["context"]["error"]["message"] == "'resource' is missing"


async def test_no_items_mean_a_single_evaluation(pdp: Pdp) -> None:
    several: tuple[Json, ...] = ({}, {"evaluations": []})
    for more in several:
        assert (await pdp.post("evaluations", QUESTION | more))["decision"] is True


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"evaluations": {}}, "must be a list"),
        ({"evaluations": [{}] * 1001}, "at most 1000"),
        ({"evaluations": [{}], "subject": 7}, "'subject' must be an object"),
        ({"evaluations": [{}], "options": []}, "'options' must be an object"),
        ({"evaluations": [{}], "options": {"evaluations_semantic": "any"}}, "execute_all, deny_on_first_deny"),
    ],
)
async def test_a_malformed_batch_is_400(pdp: Pdp, top: Json, told: str) -> None:
    assert told in (await pdp.post("evaluations", top, 400))["detail"]


# --- what our words mean ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "action", "resource"),
    [
        (ALICE | {"type": "user"}, READ, record(1)),
        (ALICE, READ, record(1) | {"type": "record"}),
        (ALICE, {"name": "can_read"}, record(1)),
        (ALICE, READ, {"type": "route", "id": "record-1"}),
        (ALICE, READ, {"type": "route", "id": "/records/%2e%2e/record-1"}),
        (ALICE, READ, {"type": "route", "id": "/nothing/{id}"}),
        (ALICE, READ, {"type": "route", "id": "/records/{id}", "properties": {"uri": "/elsewhere/1"}}),
        (ALICE, READ, record(1) | {"properties": {"vendor": "nobody"}}),
        ({"type": "identity", "id": "eyJhbGciOiJub25lIn0.e30."}, READ, record(1)),
    ],
)
async def test_what_is_not_known_here_is_false_and_says_why(pdp: Pdp, subject: Json, action: Json, resource: Json) -> None:
    answer = await pdp.post("evaluation", {"subject": subject, "action": action, "resource": resource})
    assert answer["decision"] is False
    assert answer["context"]["error"]["status"] == 404
    assert subject["id"] not in str(answer)


async def test_a_route_may_be_named_by_its_template(pdp: Pdp) -> None:
    route = {"type": "route", "id": "/records/{id}"}
    assert await pdp.may(ALICE, WRITE, route)
    assert await pdp.may(ALICE, WRITE, route | {"properties": {"params": {"id": "record-1"}}})
    assert await pdp.may(ALICE, WRITE, route | {"properties": {"uri": "https://api.example.com/records/7?x=1"}})
    assert await pdp.may(ALICE, {"name": "HEAD"}, route)
    archived = {"subject": ALICE, "action": WRITE, "resource": route | {"properties": {"params": {"id": "record-2"}}}}
    assert "no request of the route" in (await pdp.post("evaluation", archived))["context"]["error"]["message"]


async def test_a_denial_says_what_is_missing_and_how_to_mend_it(pdp: Pdp) -> None:
    context = (await pdp.post("evaluation", {"subject": BOB, "action": WRITE, "resource": record(1)}))["context"]
    assert (context["decision"], context["reason"], context["missing"]) == ("deny", "missing_scope", [["write"]])
    assert (context["operation"], context["route"], context["held"]) == ("write", "/records/{id}", ["admin", "read"])
    assert context["remediation"]


async def test_a_token_of_which_nothing_is_known_is_doubt_and_doubt_is_true(pdp: Pdp) -> None:
    answer = await pdp.post("evaluation", {"subject": {"type": "identity", "id": "0" * 32}, "action": READ, "resource": record(1)})
    assert (answer["decision"], answer["context"]["decision"]) == (True, "indeterminate")


async def test_what_depends_on_a_parameter_needs_it() -> None:
    acme = {"kind": "generic", "mount": {"path": "/acme"}, "upstream": "http://127.0.0.1:9", "catalog": str(EXAMPLE)}
    async with open_house(vendors={"acme": acme}) as house, aiohttp.ClientSession() as session:
        pdp = Pdp(session, f"http://127.0.0.1:{house.app.admin_port}")
        subject = {"type": "identity", "id": "x", "properties": {"scopes": []}}
        report = {"type": "route", "id": "/v1/sites/{siteId}/report"}
        question = {"subject": subject, "action": READ, "resource": report}
        assert "resource.properties.params.siteId" in (await pdp.post("evaluation", question, 400))["detail"]
        given = report | {"properties": {"params": {"siteId": "berlin"}}}
        assert not await pdp.may(subject, READ, given)
        results = await pdp.post("search/resource", question | {"resource": {"type": "route"}})
        assert report["id"] not in {result["id"] for result in results["results"]}


# --- one decision function --------------------------------------------------------------------------------


async def told_and_met(pdp: Pdp, house: House, subject: Json, token: str, client: str, path: str) -> tuple[bool, bool]:
    """Return what AuthZEN says and what traffic meets: whether the proxy lets the request through."""
    question = {"subject": subject, "action": READ, "resource": {"type": "route", "id": path}}
    answer = await house.send("GET", f"/ringcentral{path}", token, key(client))
    return (await pdp.post("evaluation", question))["decision"], not answer.local


async def test_a_token_and_a_client_are_decided_as_their_requests_are() -> None:
    rules = [{"vendor": "ringcentral", "scopes": ["ReadCallLog"]}]
    async with open_house(RingCentralSimulator(), clients=clients(archiver=rules, other=[])) as house, aiohttp.ClientSession() as session:
        pdp = Pdp(session, f"http://127.0.0.1:{house.app.admin_port}")
        token = await log_in(house, "demo-reader", "archiver")
        (grant,) = (await house.admin("/api/v1/grants"))["grants"]
        for client in ("archiver", "other"):
            for path in (f"{prefix}{rest}" for prefix in ("/restapi/v1.0/account/~",) for rest in ("", "/call-log", "/nothing")):
                by_token = {"type": "identity", "id": grant["fingerprint"], "properties": {"client": client}}
                by_client = {"type": "identity", "id": client, "properties": {"fingerprint": grant["fingerprint"]}}
                for subject in (by_token, by_client):
                    told, met = await told_and_met(pdp, house, subject, token, client, path)
                    assert told is met is False
        allowed = {"type": "identity", "id": grant["fingerprint"]}
        assert await pdp.may(allowed, READ, {"type": "route", "id": "/restapi/v1.0/account/~"})
        unknown = {"type": "identity", "id": grant["fingerprint"], "properties": {"client": "nobody"}}
        assert not await pdp.may(unknown, READ, {"type": "route", "id": "/restapi/v1.0/account/~"})


# --- Search and discovery ---------------------------------------------------------------------------------


async def test_searches_find_what_evaluations_permit(pdp: Pdp) -> None:
    routes = await pdp.post("search/resource", {"subject": ALICE, "action": WRITE, "resource": {"type": "route"}})
    assert [result["id"] for result in routes["results"]] == ["/records/{id}"]
    assert routes["results"][0]["properties"] == {"vendor": "records", "operation": "write"}
    methods = await pdp.post("search/action", {"subject": BOB, "resource": {"type": "route", "id": "/records/{id}"}})
    assert methods["results"] == [{"name": "GET"}]
    methods = await pdp.post("search/action", {"subject": BOB, "resource": record(2)})
    assert methods["results"] == [{"name": "GET"}, {"name": "PUT"}]


@pytest.mark.parametrize(
    ("sought", "question"),
    [
        ("resource", {"subject": ALICE | {"type": "user"}, "action": READ, "resource": {"type": "route"}}),
        ("resource", {"subject": {"type": "identity", "id": "nobody"}, "action": READ, "resource": {"type": "route"}}),
        ("resource", {"subject": ALICE, "action": READ, "resource": {"type": "record"}}),
        ("action", {"subject": ALICE, "resource": {"type": "route", "id": "/nothing/{id}"}}),
        ("action", {"subject": ALICE, "resource": {"type": "route", "id": "/nothing", "properties": {"vendor": "nobody"}}}),
        ("subject", {"subject": {"type": "identity"}, "action": READ, "resource": record(1)}),
    ],
)
async def test_a_search_for_what_is_not_known_finds_nothing(pdp: Pdp, sought: str, question: Json) -> None:
    assert (await pdp.post(f"search/{sought}", question))["results"] == []


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"action": READ, "resource": {"type": "route"}}, "'subject' is missing"),
        ({"subject": ALICE, "resource": {"type": "route"}}, "'action' is missing"),
        ({"subject": ALICE, "action": READ, "resource": {}}, "'resource.type' is missing"),
        ({"subject": ALICE, "action": READ, "resource": {"type": "route"}, "page": {"limit": 0}}, "'page.limit'"),
        ({"subject": ALICE, "action": READ, "resource": {"type": "route"}, "page": {"token": "x"}}, "'page.token'"),
    ],
)
async def test_a_malformed_search_is_400(pdp: Pdp, question: Json, told: str) -> None:
    assert told in (await pdp.post("search/resource", question, 400))["detail"]


async def test_a_search_comes_in_pages(pdp: Pdp) -> None:
    question = {"subject": ALICE, "action": READ, "resource": {"type": "route"}}
    first = await pdp.post("search/resource", question | {"page": {"limit": 1}})
    assert (first["results"][0]["id"], first["page"]) == ("/records/{id}", {"next_token": "1", "count": 1})
    second = await pdp.post("search/resource", question | {"page": {"limit": 1, "token": first["page"]["next_token"]}})
    assert (second["results"][0]["id"], second["page"]) == ("/records/record-2", {"next_token": "", "count": 1})


async def test_the_known_tokens_that_may() -> None:
    async with open_house(RingCentralSimulator()) as house, aiohttp.ClientSession() as session:
        pdp = Pdp(session, f"http://127.0.0.1:{house.app.admin_port}")
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}
        for app in ("demo-reader", "demo-archiver"):
            assert (
                await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic(app, f"{app}-secret"), form=form)
            ).status == 200
        grants = (await house.admin("/api/v1/grants"))["grants"]
        able = {grant["fingerprint"] for grant in grants if "ReadCallLog" in grant["scopes"]}
        assert 0 < len(able) < len(grants)
        question = {"subject": {"type": "identity"}, "action": READ, "resource": {"type": "route", "id": CALL_LOG}}
        results = (await pdp.post("search/subject", question))["results"]
        assert {result["id"] for result in results} == able
        assert {result["type"] for result in results} == {"identity"}


async def test_discovery(pdp: Pdp) -> None:
    async with pdp.session.get(f"{pdp.base}/.well-known/authzen-configuration", headers={"X-Request-ID": "r-7"}) as response:
        assert response.headers["X-Request-ID"] == "r-7"
        told = await response.json()
    assert told["policy_decision_point"] == pdp.base
    assert told["access_evaluation_endpoint"] == f"{pdp.base}/access/v1/evaluation"
    for name in ("access_evaluations_endpoint", *(f"search_{sought}_endpoint" for sought in ("subject", "action", "resource"))):
        async with pdp.session.post(told[name], json={}) as response:
            assert response.status == 400  # and not 404: it is there
