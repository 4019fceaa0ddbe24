"""No secret is ever written: marked ones are pushed through every path, and then everything that was written is searched for them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.simulators import eightbyeight as eight
from proxy.simulators import newvoicemedia as nvm
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from tests.integration.canary import (
    API_KEY,
    ASSERTION,
    CLIENT_KEY,
    MARK,
    PASSWORD,
    QUERY,
    SECRET,
    STRAY_TOKEN,
    Written,
    found_in,
    marked,
    marked_vendors,
)
from tests.integration.house import House, basic, open_house


def test_the_search_finds_what_it_should() -> None:
    whole = marked("token").encode()
    for hidden in (whole, whole.upper(), quote(whole).encode(), whole.hex().encode(), whole.hex().upper().encode()):
        assert found_in(b"before " + hidden + b" after")
    for shift in range(3):
        assert found_in(base64.b64encode(b"x" * shift + whole))
    assert found_in("".join(f"%{byte:02X}" for byte in whole).encode())
    assert found_in("".join(f"\\u{byte:04x}" for byte in whole).encode())
    assert not found_in(b"token.Xq7Canary")


V4 = {"Accept": "application/vnd.newvoicemedia.v4+json"}
LIMITED_KEY = marked("limited")
CLIENTS = [
    {"name": "app", "authenticate": {"api_key_sha256": hashlib.sha256(CLIENT_KEY.encode()).hexdigest()}},
    {
        "name": "limited",
        "authenticate": {"api_key_sha256": hashlib.sha256(LIMITED_KEY.encode()).hexdigest()},
        "allow": [{"vendor": "ringcentral", "scopes": ["ReadCallLog"]}],
    },
]
ME = {"Scopegate-Key": CLIENT_KEY}
LIMITED = {"Scopegate-Key": LIMITED_KEY}


class Walk:
    """One app that goes every way there is, and keeps what the proxy itself answered."""

    def __init__(self, house: House, written: Written) -> None:
        self.house = house
        self.written = written
        self.seen: set[tuple[int, str]] = set()

    async def go(self, method: str, target: str, token: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        answer = await self.house.send(method, target, token, {**ME, **(headers or {})}, **more)
        fields = [(name, value) for name, value in answer.headers.items() if answer.local or name.lower().startswith("scopegate")]
        self.written.add(f"{method} {target[:40]} headers", repr(fields).encode())
        if answer.local:
            self.written.add(f"{method} {target[:40]} body", answer.body)
        self.seen.add((answer.status, answer.decision))
        return answer

    async def ringcentral(self) -> None:
        login = "/ringcentral/restapi/oauth/token"
        tokens = {}
        for app in ("reader", "lister"):
            form = {"grant_type": JWT_GRANT, "assertion": ASSERTION}
            tokens[app] = (await self.go("POST", login, headers=basic(app, SECRET), form=form)).json
        await self.go("POST", login, headers=basic("reader", marked("wrong")), form={"grant_type": JWT_GRANT, "assertion": ASSERTION})
        await self.go(
            "POST", login, headers=basic("reader", SECRET), form={"grant_type": "password", "username": "amy", "password": marked("bad")}
        )
        await self.go("POST", f"{login}?{QUERY}", headers=basic("reader", SECRET), body=marked("not a form").encode())
        for app, path in (("reader", ""), ("reader", "/call-log"), ("lister", "/call-log"), ("lister", "/extension/~/active-calls")):
            token = tokens[app]["access_token"]
            await self.go("GET", f"/ringcentral/restapi/v1.0/account/~{path}?{QUERY}", token)
            await self.go("GET", f"/ringcentral/restapi/v1.0/account/~{path}?{QUERY}&access_token={token}")
        await self.go("GET", f"/ringcentral/restapi/v1.0/undocumented?{QUERY}", tokens["reader"]["access_token"])
        for _ in range(2):
            await self.go("GET", f"/ringcentral/restapi/v1.0/account/~/call-log?{QUERY}", STRAY_TOKEN)
        for path in ("", "/call-log", "/no-such-thing"):
            await self.go("GET", f"/ringcentral/restapi/v1.0/account/~{path}?{QUERY}", tokens["lister"]["access_token"], LIMITED)
        await self.go("GET", f"/8x8/products?{QUERY}", STRAY_TOKEN, LIMITED)
        await self.bad_requests(tokens["reader"]["access_token"])
        await self.look()
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["reader"]["refresh_token"]}
        renewed = (await self.go("POST", login, headers=basic("reader", SECRET), form=refresh)).json
        await self.go("POST", login, headers=basic("reader", SECRET), form=refresh)
        await self.go("POST", "/ringcentral/restapi/oauth/revoke", headers=basic("reader", SECRET), form={"token": renewed["access_token"]})

    async def bad_requests(self, token: str) -> None:
        path = "/ringcentral/restapi/v1.0/account/~/call-log"
        await self.go("GET", f"{path}?access_token={STRAY_TOKEN}", token)
        await self.go("GET", f"{path}?access_token={STRAY_TOKEN}%20two")
        await self.go("GET", path, headers={"Authorization": f'Bearer "{STRAY_TOKEN}"'})
        await self.go("GET", path, headers={"Authorization": f"Bearer\t{STRAY_TOKEN}"})
        await self.go("POST", f"{path}?_method={STRAY_TOKEN}", token)
        for target in (
            f"/ringcentral//{STRAY_TOKEN}",
            f"/ringcentral/a%2f{STRAY_TOKEN}",
            f"/{STRAY_TOKEN}?{QUERY}",
            f"/ringcentral/%zz?{QUERY}",
        ):
            await self.go("GET", target, token)
        await self.go("GET", path, token, {"Authorization-Info": "x" * 40_000 + MARK})
        answer = await self.house.send("GET", path, token, {"Scopegate-Key": marked("unknown key")})
        self.written.add("unknown key", repr(answer.headers).encode() + (answer.body if answer.local else b""))

    async def raw(self) -> None:
        """What no client library sends."""
        heads = (
            f"GET /ringcentral/x?{QUERY} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {STRAY_TOKEN}\r\nAuthorization: Bearer {MARK}\r\n",
            f"GET /ringcentral/x HTTP/1.1\r\nHost: a\r\nX-Mark: {MARK}\x00\r\n",
            f"GET /ringcentral/{MARK} HTTP/1.1\r\nHost: {MARK} {MARK}\r\n",
            f"GET /ringcentral/x HTTP/1.1\r\n{MARK}\r\nHost: a\r\n",
            f"{MARK} /ringcentral/x?{QUERY} HTTP/1.1\r\nHost: a\r\n",
            f"GET {MARK} HTTP/1.1\r\nHost: a\r\n",
            f"GET http://{MARK}/x HTTP/1.1\r\nHost: a\r\n",
            f"CONNECT {MARK}:443 HTTP/1.1\r\nHost: a\r\n",
            f"POST /ringcentral/x HTTP/1.1\r\nHost: a\r\nContent-Length: {MARK}\r\n",
            f"POST /ringcentral/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {MARK}\r\n",
            f"GET /ringcentral/x HTTP/1.1\r\nHost: a\r\nExpect: {MARK}\r\n",
            f"GET /ringcentral/x HTTP/1.1\r\nHost: a\r\nAuthorization_: {MARK}\r\nScopegate_Key: {MARK}\r\n",
            f"GET /ringcentral/x HTTP/9.9 {MARK}\r\n",
        )
        for head in heads:
            answer = await self.house.raw(head.encode("latin-1") + b"Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 "), head
            self.written.add(head.partition("\r")[0], answer)

    async def eightbyeight(self) -> None:
        key = {"8x8-apikey": API_KEY}
        form = {"username": "reporting@example.com", "password": PASSWORD}
        token = (await self.go("POST", f"/8x8{eight.LOGIN}", headers=key, form=form)).json["access_token"]
        await self.go("POST", f"/8x8{eight.LOGIN}", headers=key, form=form | {"password": marked("bad")})
        await self.go("POST", f"/8x8{eight.LOGIN}", headers={"8x8-apikey": marked("bad")}, form=form)
        await self.go("POST", f"/8x8{eight.PRODUCT_LOGIN}", headers=basic("chat", SECRET), form={"grant_type": "client_credentials"})
        for pbx in ("acmecorp", "acmecorp", "acmewest", "elsewhere", "elsewhere"):
            await self.go("GET", f"/8x8/analytics/work/v2/call-records?pbxId={pbx}&{QUERY}", token, key)
        simulator = self.house.simulators["8x8"]
        simulator.clock = lambda: 4_000_000_000.0  # the expired-token text repeats the token
        for _ in range(2):
            assert MARK.encode() in (await self.go("GET", "/8x8/analytics/work/v2/call-records?pbxId=acmewest", token, key)).body
        text = f"user({MARK}) does not have access to api category(CDR) for pbxId([acmewest])."
        simulator.reply_next(json_reply(400, {"status": 400, "code": "105-400-038", "message": text, "debug": token}))
        for _ in range(2):
            await self.go("GET", f"/8x8/analytics/work/v2/call-records?pbxId=acmewest&{QUERY}", token, key)

    async def newvoicemedia(self) -> None:
        form = {"grant_type": "client_credentials", "scope": "stats"}
        in_form = {"client_id": "app", "client_secret": SECRET}
        token = (await self.go("POST", f"/newvoicemedia{nvm.LOGIN}", headers=basic("app", SECRET), form=form)).json["access_token"]
        await self.go("POST", f"/newvoicemedia{nvm.LOGIN}", form=form | in_form)
        await self.go("POST", f"/newvoicemedia{nvm.LOGIN}", form=form | in_form | {"client_secret": marked("bad")})
        await self.go("POST", f"/newvoicemedia{nvm.LOGIN}", form=form | in_form | {"scope": f"stats {MARK}"})
        path = f"/newvoicemedia/useradmin/users/{nvm.DEMO_USER}/permissions/accessPermissions?{QUERY}"
        self.house.simulators["newvoicemedia"].reply_next(json_reply(403, {"message": f"Access forbidden for {token}", "scope": MARK}))
        await self.go("GET", path, STRAY_TOKEN, V4)
        for who in (token, STRAY_TOKEN):
            await self.go("GET", path, who, V4)

    async def faults(self) -> None:
        for mount in ("/closed", "/silent", "/nonsense"):
            answer = await self.go("GET", f"{mount}/restapi/v1.0/account/~?{QUERY}", STRAY_TOKEN)
            assert answer.status in {502, 504}
            form = {"grant_type": JWT_GRANT, "assertion": ASSERTION}
            await self.go("POST", f"{mount}/restapi/oauth/token", headers=basic("reader", SECRET), form=form)

    async def look(self) -> None:
        """Read everything that the admin listener tells."""
        vendors = self.house.simulators
        reports = (f"/api/v1/reports/{name}" for name in ("readiness", "usage?by=subject", "least-privilege?by=subject"))
        lists = ("/api/v1/decisions?limit=1000", "/api/v1/grants", *reports, "/readyz")
        for path in (*lists, *(f"/api/v1/users/{name}" for name in vendors), *(f"/api/v1/catalog/{name}/proposals" for name in vendors)):
            self.written.add(path, repr(await self.house.admin(path)).encode())
        for decision in (await self.house.admin("/api/v1/decisions?limit=5"))["decisions"]:
            self.written.add("decision", repr(await self.house.admin(f"/api/v1/decisions/{decision['decision_id']}")).encode())
        for grant in (await self.house.admin("/api/v1/grants"))["grants"]:
            question = {"vendor": grant["vendor"], "method": "GET", "path": f"/restapi/v1.0/account/~/call-log?{QUERY}"}
            told = await self.house.admin("/api/v1/explain", "POST", question | {"fingerprint": grant["fingerprint"]})
            self.written.add("explain", repr(told).encode())
            subject, path = {"type": "identity", "id": grant["fingerprint"]}, f"/restapi/v1.0/account/~/call-log?{QUERY}"
            asked = {
                "subject": subject,
                "action": {"name": "GET"},
                "resource": {"type": "route", "id": path, "properties": {"vendor": grant["vendor"]}},
            }
            self.written.add("AuthZEN", repr(await self.house.admin("/access/v1/evaluation", "POST", asked)).encode())
        self.written.add("metrics", (await self.house.page()).encode())


# --- the way through all of it


@asynccontextmanager
async def odd_vendors() -> AsyncIterator[dict[str, str]]:
    """Vendors that cannot be reached, never answer, and answer nonsense that repeats the request."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    servers = {name: await asyncio.start_server(serve, "127.0.0.1", 0) for name, serve in (("silent", silent), ("nonsense", nonsense))}
    urls = {name: f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for name, server in servers.items()}
    yield {**urls, "closed": "http://127.0.0.1:1"}
    for server in servers.values():
        server.close()


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_nothing_that_is_written_has_a_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, mode: str, log_format: str
) -> None:
    caplog.set_level(logging.DEBUG)
    written, log = Written(), tmp_path / "decisions"
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY)
    async with odd_vendors() as urls:
        timeouts = {"connect_s": 1, "response_head_s": 0.1, "body_idle_s": 1}
        odd = {
            name: {"kind": "ringcentral", "mount": {"path": f"/{name}"}, "upstream": url, "timeouts": timeouts}
            for name, url in urls.items()
        }
        house_with = open_house(
            *marked_vendors(),
            vendors=odd,
            log_descriptor=descriptor,
            mode=mode,
            clients=CLIENTS,
            log={"format": log_format, "decisions": True},
            audit={"path": str(tmp_path / "audit.jsonl")},
            state={"path": str(tmp_path / "state/knowledge.db")},
        )
        async with house_with as house:
            walk = Walk(house, written)
            for part in (walk.ringcentral, walk.eightbyeight, walk.newvoicemedia, walk.faults, walk.raw, walk.look):
                await part()
    os.close(descriptor)
    decisions = {"enforce": {"deny", "permit", "indeterminate"}, "shadow": {"would-deny", "permit", "indeterminate"}, "off": {"off"}}
    assert decisions[mode] <= {decision for _, decision in walk.seen}
    assert {200, 400, 401, 403, 404, 502, 504} <= {status for status, _ in walk.seen}
    lines = log.read_bytes()
    events = (tmp_path / "audit.jsonl").read_bytes()
    assert lines.count(b"\n") > 60
    assert events.count(b'{"class_uid":6003,') > 60
    stored = {file.name: file.read_bytes() for file in (tmp_path / "state").iterdir()}
    assert len(stored["knowledge.db"]) > 4096
    for name, data in stored.items():
        written.add(name, data)
    out, err = capfd.readouterr()
    for place, data in (
        ("decision log", lines),
        ("audit log", events),
        ("audit head", (tmp_path / "audit.jsonl.head").read_bytes()),
        ("standard output", out.encode()),
        ("standard error", err.encode()),
        ("logging", caplog.text.encode()),
    ):
        written.add(place, data)
    written.assert_clean()
