"""A proxy whose configuration is changed while it runs, and a vendor behind it that grants what its logins ask for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from proxy.app import App
from proxy.composition.reloading import Reloader, Result
from proxy.settings import Disk, Loaded, load_settings
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Message
from tests.fakes.origin import Origin, Wire
from tests.fakes.running import CATALOG
from tests.fakes.waiting import eventually

CALLS, LOGIN = "/acme/calls", "/acme/oauth/token"
POLL_S = 0.01


async def grant(wire: Wire) -> None:
    """Answer logins with a token of the scope that is asked for, and everything else with `ok`, but only tokens that may read."""
    while True:
        request = await wire.request()
        status, body = "200 OK", b"ok"
        if request.get("Authorization").endswith("-none"):
            status, body = "403 Forbidden", b'{"error":"insufficient_scope","scope":"calls:read"}'
        if request.target == b"/oauth/token":
            scope = parse_qs(request.body.decode())["scope"][0]
            token = {"access_token": f"token-of-{scope}".replace(":", "-"), "token_type": "Bearer", "expires_in": 3600}
            body = json.dumps(token | {"scope": scope}).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await wire.send(head.encode() + body)


def get(target: str = CALLS, token: str = "", fields: str = "") -> bytes:
    field_line = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {target} HTTP/1.1\r\nHost: proxy\r\n{field_line}{fields}\r\n".encode()


async def ask(client: RawClient, token: str = "", target: str = CALLS, fields: str = "") -> Message:
    await client.send(get(target, token, fields))
    return await client.answer()


async def log_in(client: RawClient, scope: str) -> str:
    """Log in through this connection; return the token."""
    form = f"grant_type=client_credentials&client_id=app&scope={scope}"
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: proxy\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    await client.send(f"{head}Content-Length: {len(form)}\r\n\r\n{form}".encode())
    token = json.loads((await client.answer("POST")).body)["access_token"]
    assert isinstance(token, str)
    return token


def told(answer: Message) -> tuple[int, str, str]:
    return answer.status, answer.get("Scopegate-Decision"), answer.get("Scopegate-Answered-By")


DENIED, PERMITTED, UNKNOWN = (403, "deny", "proxy"), (200, "permit", "vendor"), (200, "indeterminate", "vendor")


class Witnessed:
    """Remembers what it hears of reloads."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def began(self) -> None:
        self.heard.append(("began", ""))

    def ended(self, result: Result, revision: str) -> None:
        self.heard.append((str(result), revision))


class Site:
    """One running proxy, the files it is made of, and its vendor."""

    def __init__(self, directory: Path, origin: Origin) -> None:
        self.file = directory / "scopegate.yaml"
        self.catalog_file = directory / "catalog.yaml"
        self.origin = origin
        self.witness = Witnessed()
        self.clients: list[RawClient] = []
        self.vendor: dict[str, Any] = {
            "kind": "generic",
            "mount": {"path": "/acme"},
            "upstream": f"http://127.0.0.1:{origin.port}",
            "catalog": "catalog.yaml",
        }
        self.top: dict[str, Any] = {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "vendors": {"acme": self.vendor}}

    def write(self, **top: Any) -> None:
        """Write the configuration, with other top-level keys; None takes one away."""
        self.top = {key: value for key, value in (self.top | top).items() if value is not None}
        self.file.write_text(json.dumps(self.top), encoding="utf-8")

    def write_vendor(self, **settings: Any) -> None:
        """Write the configuration with other settings of the vendor."""
        self.vendor |= settings
        self.write(vendors={**self.top["vendors"], "acme": self.vendor})

    def write_catalog(self, text: str) -> None:
        self.catalog_file.write_text(text, encoding="utf-8")

    # --- life

    async def start(self) -> None:
        self.catalog_file.write_text(CATALOG, encoding="utf-8")
        self.write()
        await self.restart()

    async def restart(self) -> None:
        """Start a proxy by the files as they are."""
        disk = Disk()
        loaded = self.load(disk)
        assert isinstance(loaded, Loaded), str(loaded)
        self.app = App(loaded)
        await self.app.start()
        self.reloader = Reloader(self.app, self.load, disk, self.witness, poll_s=POLL_S)

    def load(self, disk: Disk) -> Any:
        return load_settings(self.file, {}, disk)

    async def reload(self, expected: Result = Result.LOADED) -> None:
        """Read the files now."""
        assert await self.reloader.reload(asked=True) is expected, (await self.config())["problems"]

    async def stop(self) -> None:
        for client in self.clients:
            client.close()
        await self.app.stop(1.0)

    # --- asking

    async def client(self) -> RawClient:
        self.clients.append(await connect(self.app.port))
        return self.clients[-1]

    async def admin(self, path: str, status: int = 200) -> Any:
        client = await connect(self.app.admin_port)
        await client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await client.answer()
        client.close()
        assert answer.status == status, answer
        return answer.body.decode() if path == "/metrics" else json.loads(answer.body)

    async def admin_status(self, path: str, token: str) -> int:
        """Return the status that the holder of an admin token gets."""
        client = await connect(self.app.admin_port)
        field = f"Authorization: Bearer {token}\r\n"
        await client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}Connection: close\r\n\r\n".encode())
        status = (await client.answer()).status
        client.close()
        return status

    async def app_saw(self, requests: int) -> None:
        """Wait until so many requests have begun on the one connection."""

        async def begun() -> bool:
            return bool(self.connection().served == requests)

        await eventually(begun)

    def connection(self) -> Any:
        listener = self.app._listener
        assert listener is not None
        (connection,) = listener._connections
        return connection

    def weakly(self) -> list[Any]:
        """Return the objects of the configuration in force that can be referred to weakly."""
        listener = self.app._listener
        assert listener is not None
        service = listener.service
        gate = service.gate
        return [gate, gate._locator, gate._judge, gate._tokens, gate._repeats, service.closer, *(mount.learner for mount in gate.mounts)]

    async def config(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.admin("/api/v1/config")
        return found

    async def decisions(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` requests are recorded; return them, the oldest first."""
        rows: list[dict[str, Any]] = []

        async def recorded() -> bool:
            rows[:] = (await self.admin("/api/v1/decisions?limit=1000"))["decisions"][::-1]
            return len(rows) >= count

        await eventually(recorded)
        assert len(rows) == count, rows
        return rows


@asynccontextmanager
async def open_site(directory: Path, script: Any = grant, **top: Any) -> AsyncIterator[Site]:
    """Start the vendor and the proxy; at the end no bug may have been counted."""
    origin = Origin()
    origin.default = script
    await origin.start()
    site = Site(directory, origin)
    site.top |= top
    await site.start()
    try:
        yield site
        assert "\nscopegate_bugs_total 0.0\n" in await site.admin("/metrics")
    finally:
        await site.stop()
        for wire in origin.wires:
            await wire.ended()
        await origin.stop()
