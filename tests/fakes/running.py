"""A whole proxy in front of a scripted origin, as a test needs it: started from YAML, asked through its admin listener."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path
from typing import Self

import pytest

from proxy.app import App
from proxy.settings import Loaded, load_settings
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Message
from tests.fakes.waiting import eventually

CATALOG = """\
vendor: generic
source: made up for tests
token_endpoint: {path: /oauth/token, scope_from: response}
token_in: {header: Authorization, scheme: Bearer, query_parameter: access_token}
recognise:
  - {status: 403, json: {error: insufficient_scope}, scope_from: scope}
scopes:
  "calls:read": {title: Read calls, remediation: [ask], documentation: ["https://telephony.example.com/scopes"]}
operations:
  - {id: login, method: POST, path: /oauth/token, requires: [], auth: client, origin: documented}
  - {id: readCalls, method: GET, path: "/calls", requires: [["calls:read"]], origin: documented}
  - {id: postCalls, method: POST, path: "/calls", requires: [["calls:read"]], origin: documented}
"""

CONFIGURATION = """\
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
limits: {limits}
vendors:
  acme:
    kind: generic
    mount: {{path: /acme}}
    upstream: {upstream}
    catalog: catalog.yaml
    timeouts: {timeouts}
    {more}
{top}
"""

Row = dict[str, object]


class Running:
    """One running proxy."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.clients: list[RawClient] = []
        self._stopped = False

    @classmethod
    async def start(
        cls, directory: Path, upstream: str, *, limits: str = "{}", timeouts: str = "{}", more: str = "mode: enforce", top: str = ""
    ) -> Self:
        """Start it with one vendor, `acme`, mounted at /acme. `limits` and `timeouts` are YAML."""
        (directory / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
        path = directory / "scopegate.yaml"
        text = CONFIGURATION.format(limits=limits, upstream=upstream, timeouts=timeouts, more=more, top=top)
        path.write_text(text, encoding="utf-8")
        loaded = load_settings(path, {})
        assert isinstance(loaded, Loaded), str(loaded)
        app = App(loaded)
        await app.start()
        return cls(app)

    # --- traffic

    async def client(self, *, receive_buffer: int = 0, tls: ssl.SSLContext | None = None) -> RawClient:
        """Connect to the traffic listener."""
        client = await connect(self.app.port, receive_buffer=receive_buffer, tls=tls)
        self.clients.append(client)
        return client

    async def ask(self, request: bytes, method: str = "GET", tls: ssl.SSLContext | None = None) -> Message:
        """Send one request on a connection of its own and return the answer."""
        client = await self.client(tls=tls)
        await client.send(request)
        answer = await client.answer(method)
        client.close()
        return answer

    # --- what the admin listener says

    async def _admin(self, path: str) -> bytes:
        client = await connect(self.app.admin_port)
        await client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await client.answer()
        client.close()
        assert answer.status == 200, answer
        return answer.body

    async def exchanges(self, count: int) -> list[Row]:
        """Wait until `count` requests are recorded, and return all that are, the oldest first."""
        rows: list[Row] = []

        async def recorded() -> bool:
            rows[:] = await self._exchanges()
            return len(rows) >= count

        await eventually(recorded)
        assert len(rows) == count, rows
        return rows

    async def exchange(self) -> Row:
        """Return the one request that is recorded; wait until it is."""
        return (await self.exchanges(1))[0]

    async def _exchanges(self) -> list[Row]:
        page = json.loads(await self._admin("/api/v1/decisions?limit=1000"))
        rows: list[Row] = page["decisions"][::-1]
        return rows

    async def metric(self, name: str) -> float:
        """Return the sum of a metric's series."""
        page = (await self._admin("/metrics")).decode()
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
        assert found, f"{name} is not on the page"
        return sum(float(value) for value in found)

    async def metric_is(self, name: str, value: float) -> None:
        """Wait until a metric has a value."""

        async def it_has() -> bool:
            return await self.metric(name) == value

        await eventually(it_has)

    async def stop(self, grace_s: float | None = None) -> bool:
        """Stop the proxy; return whether everything finished in time."""
        self._stopped = True
        return await self.app.stop(grace_s)

    async def finish(self) -> None:
        """Hang up, see that the proxy gives everything back, and stop it."""
        for client in self.clients:
            client.close()
        if not self._stopped:
            await self._settle()
            assert await self.stop(1.0)

    async def _settle(self) -> None:
        used: dict[str, float] = {}

        async def settled() -> bool:
            used.update(await self._in_use())
            return not any(used.values())

        try:
            await eventually(settled)
        except TimeoutError:
            pytest.fail(f"the proxy does not give back: {used}")
        assert await self.metric("scopegate_bugs_total") == 0

    async def _in_use(self) -> dict[str, float]:
        page = (await self._admin("/metrics")).decode()
        patterns = {
            "connections": r"^scopegate_connections (\S+)$",
            "in flight": r"^scopegate_requests_in_flight{[^}]*} (\S+)$",
            "waiting": r"^scopegate_requests_waiting{[^}]*} (\S+)$",
            "busy upstream": r'^scopegate_upstream_connections{[^}]*state="busy"[^}]*} (\S+)$',
        }
        found = {name: re.search(pattern, page, re.MULTILINE) for name, pattern in patterns.items()}
        assert all(found.values()), found
        return {name: float(match[1]) for name, match in found.items() if match is not None}
