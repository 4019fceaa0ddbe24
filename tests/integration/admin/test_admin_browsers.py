"""What a browser can do to the admin listener, and what of the outside it could be made to run: nothing."""

from __future__ import annotations

import json

import aiohttp
import pytest

from proxy.admin.server import AdminServer
from proxy.simulators import RingCentralSimulator
from proxy.simulators.messages import json_reply
from tests.integration.admin.admin_samples import SmallBackend
from tests.integration.house import House, open_house

Session = aiohttp.ClientSession
KNOWN = f"/api/v1/grants/{bytes(range(16)).hex()}"
RECHECK = f"{KNOWN}/recheck"
FOREIGN = {"Origin": "https://evil.example"}
PREFLIGHT = FOREIGN | {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}


# --- pages of other origins


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/api/v1/grants", KNOWN, RECHECK, "/api/v1/explain", "/nowhere"])
async def test_a_preflight_is_allowed_nothing(client: Session, path: str) -> None:
    async with client.options(path, headers=PREFLIGHT) as response:
        assert response.status in {404, 405}
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


async def test_an_answer_is_readable_by_no_other_origin(client: Session) -> None:
    async with client.get("/api/v1/grants", headers=FOREIGN) as response:
        assert response.status == 200
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        FOREIGN | {"Content-Type": "text/plain"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("DELETE", KNOWN), ("POST", RECHECK), ("POST", "/api/v1/explain")])
async def test_a_page_of_another_origin_changes_nothing(
    client: Session, backend: SmallBackend, method: str, path: str, headers: dict[str, str]
) -> None:
    known = list(backend.grants())
    async with client.request(method, path, headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["reason"]) == (403, "cross_origin")
    assert list(backend.grants()) == known


@pytest.mark.parametrize("own", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": ""}], ids=str)
async def test_programs_and_pages_of_its_own_may(client: Session, server: AdminServer, own: dict[str, str]) -> None:
    headers = {name: value or f"http://127.0.0.1:{server.port}" for name, value in own.items()}
    async with client.delete(KNOWN, headers=headers) as response:
        assert response.status == 204


# --- markup from outside

MARKUP = "<script>alert(1)</script><img/src=x/onerror=alert(2)>"
TARGET = "/ringcentral/restapi/v1.0/%3Cscript%3Ealert(1)%3C/script%3E?note=%3Cscript%3E"


async def shown(house: House, path: str) -> str:
    """Return what the admin listener shows at a path; it must be data that no browser takes for a page."""
    async with Session() as session, session.get(f"http://127.0.0.1:{house.app.admin_port}{path}") as response:
        assert response.content_type in {"application/json", "application/problem+json", "text/plain"}
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        return await response.text()


async def test_markup_from_callers_and_vendors_is_shown_as_text() -> None:
    async with open_house(RingCentralSimulator()) as house:
        house.simulators["ringcentral"].reply_next(json_reply(403, {"errorCode": MARKUP, "message": MARKUP, "permissionName": MARKUP}))
        await house.send("GET", TARGET, "token", {"X-Request-ID": MARKUP, "User-Agent": MARKUP, "Scopegate-Key": MARKUP})
        (line,) = json.loads(await shown(house, "/api/v1/decisions"))["decisions"]
        assert line["path"] == "/restapi/v1.0/%3Cscript%3Ealert(1)%3C/script%3E"
        assert line["request_id"] == MARKUP
        assert json.loads(await shown(house, f"/api/v1/decisions/{line['decision_id']}")) == line
        for path in ("/api/v1/grants", "/api/v1/catalog/ringcentral/proposals", "/api/v1/reports/readiness", "/readyz", "/metrics"):
            assert "<script" not in await shown(house, path)


@pytest.mark.parametrize(
    "path", ["/%3Cscript%3E", "/api/v1/grants/%3Cscript%3E", "/api/v1/catalog/%3Cscript%3E", "/api/v1/grants?%3Cscript%3E=1"]
)
async def test_a_problem_does_not_repeat_markup(client: Session, path: str) -> None:
    async with client.get(path) as response:
        assert response.status in {400, 404}
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "script" not in (await response.text()).lower()


async def test_what_the_proxy_answers_itself_is_never_a_page() -> None:
    async with open_house(RingCentralSimulator()) as house:
        for target in (TARGET.replace("ringcentral", "nowhere", 1), "/ringcentral//%3Cscript%3E"):
            answer = await house.send("GET", target, "token", {"X-Request-ID": MARKUP})
            assert answer.local
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert b"script" not in answer.body.lower()
