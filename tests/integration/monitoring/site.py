"""Two proxies that have something to tell by every metric: simulated vendors, apps, stores, and traffic of every kind.

One proxy runs in this process, before all vendors, with everything that can be configured. The other one is a real `serve` with
two workers and TLS.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp
import yaml

from proxy.app import App
from proxy.cli.demo_world import World
from proxy.cli.tour import run_steps
from proxy.cli.tour_steps import STEPS, Step
from proxy.composition.reloading import Reloader, Result
from proxy.settings import Disk, Loaded, builtin_config_directory
from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, RingCentralSimulator, Simulator
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from tests.fakes.authority import Authority
from tests.fakes.issuer import AUDIENCE, NAME, Issuer
from tests.fakes.valkey import Valkey
from tests.integration.cli.processes import Running, serving
from tests.integration.house import CONNECTIONS, House, Json, basic, configuration, start

DEMO: Final = "demo"
"""The app that runs the tour, whose promises hold: no rule and no shadow in its way."""
APP: Final = "wallboard"
"""The app of whom every panel about one app has something to tell."""
ARCHIVER: Final = "call-archiver"
ACCOUNT: Final = "/restapi/v1.0/account/~"
CALL_LOG: Final = f"{ACCOUNT}/call-log"
MISREAD: Final = f"{ACCOUNT}/extension/~/call-log"
"""The trial's catalogue wants too much for it."""
PERMISSIONS: Final = "/newvoicemedia/useradmin/users/895db16f-5270-6ef8-e173-10ea365aefcc/permissions/accessPermissions"
_WRONG: Final = {"readCompanyCallLog": [["ReadAccounts"]], "readUserCallLog": [["ReadAccounts", "ReadMessages"]]}
_RULES: Final[list[Json]] = [
    {"vendor": "ringcentral", "scopes": ["ReadAccounts", "ReadCallLog"]},
    {"vendor": "trial"},
    {"vendor": "8x8"},
    {"vendor": "old-pbx"},
]


def key(name: str) -> dict[str, str]:
    return {"Scopegate-Key": f"key-of-{name}"}


def _client(name: str, **more: object) -> Json:
    return {"name": name, "authenticate": {"api_key_sha256": hashlib.sha256(f"key-of-{name}".encode()).hexdigest()}, **more}


class _Nobody:
    """Hears of reloads, and tells nobody."""

    def began(self) -> None: ...

    def ended(self, result: Result, revision: str) -> None: ...


@dataclass
class Site:
    """Everything that runs, and the apps that use it.

    `other` is what the first proxy can be told to take over, `login` what the app logs in as, `turns` how often it did.
    """

    house: House
    ringcentral: RingCentralSimulator
    workers: Running
    encrypted: aiohttp.ClientSession
    other: Loaded
    turns: int = 0
    login: str = "demo-reader"

    @property
    def targets(self) -> list[str]:
        """The addresses of both admin listeners."""
        return [f"127.0.0.1:{self.house.app.admin_port}", self.workers.admin_url.removeprefix("http://")]

    async def second_page(self) -> str:
        """Return the metrics page of the proxy with workers."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.workers.admin_url}/metrics") as answer:
            return await answer.text()

    async def tour(self) -> None:
        """Take the demo's tour as an app with a key; every promise must be kept."""
        base, admin = self.house.url, f"http://127.0.0.1:{self.house.app.admin_port}"
        world = World(self.house.simulators, self.house.app, base, admin)
        async for result in run_steps(world, [_with_key(step) for step in STEPS if not step.request.admin]):
            assert not result.broken, result

    async def reconfigure(self) -> None:
        """Have the proxy in this process take over another configuration."""
        result = await Reloader(self.house.app, lambda _: self.other, Disk(), _Nobody()).reload()
        assert result is Result.LOADED

    # --- apps

    async def round(self) -> None:
        """Send about thirty requests that end in every way a request can end."""
        await self.call_ringcentral()
        await self.call_trial()
        await self.call_others()
        await self.send_nonsense()
        await self.call_workers()

    async def call_ringcentral(self) -> None:
        """Two apps; one lacks a scope, and is now and then answered with trouble."""
        self.turns += 1
        reader = await self.log_in(APP, "ringcentral", self.login)
        archiver = await self.log_in(ARCHIVER, "ringcentral", "demo-archiver")
        for target in (ACCOUNT, CALL_LOG, f"{ACCOUNT}/extension/~/message-store", f"{ACCOUNT}/something-new"):
            await self._get(APP, f"/ringcentral{target}", reader)
        for target in (CALL_LOG, f"{ACCOUNT}/recording/500001", CALL_LOG):
            await self._get(ARCHIVER, f"/ringcentral{target}", archiver)
        past = await self._log_in_past_the_proxy()
        for _ in range(2):
            await self._get(APP, f"/ringcentral{CALL_LOG}", past)
        self.ringcentral.reply_next(json_reply((429, 500, 503)[self.turns % 3], {"message": "simulated trouble"}))
        await self._get(APP, f"/ringcentral{ACCOUNT}", reader)
        await self._get(APP, f"/ringcentral{ACCOUNT}", "ended")

    async def call_trial(self) -> None:
        """In shadow, under a catalogue with two wrong rows: denials that would be wrong, and refusals that were missed."""
        reader = await self.log_in(APP, "trial", "demo-reader")
        archiver = await self.log_in(APP, "trial", "demo-archiver")
        for target, token in ((CALL_LOG, reader), (MISREAD, archiver), (f"{ACCOUNT}/recording/500001", reader), (ACCOUNT, reader)):
            await self._get(APP, f"/trial{target}", token)

    async def call_others(self) -> None:
        """The other vendors: a user without a right, an app that has no business there, and a vendor that is gone."""
        form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
        eight = await self._post(APP, "/8x8/analytics/work/v1/oauth/token", form, {"8x8-apikey": "demo-8x8-apikey"})
        period = "startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
        records = f"/8x8/analytics/work/v2/call-records?pbxId=acmecorp&{period}"
        await self._get(APP, records, eight, {"8x8-apikey": "demo-8x8-apikey"})
        asked = {"grant_type": "client_credentials", "scope": "users:read"}
        users = await self._post(ARCHIVER, "/newvoicemedia/Auth/connect/token", asked, basic("demo-user-admin", "demo-user-admin-secret"))
        for name in (ARCHIVER, APP):
            await self._get(name, PERMISSIONS, users, {"Accept": "application/vnd.newvoicemedia.v4+json"})
        await self._get(APP, "/old-pbx/v1/calls", "any")

    async def send_nonsense(self) -> None:
        """What cannot be read, leads nowhere, or is nobody's."""
        await self._get(APP, f"/ringcentral{ACCOUNT}%2Fcall-log", "any")
        await self._get(APP, "/nowhere", "any")
        await self.house.send("GET", f"/ringcentral{ACCOUNT}", "any")

    async def call_workers(self) -> None:
        """The proxy with workers: a call over TLS, and one that should have been."""
        url = self.workers.base_url.replace("127.0.0.1", "localhost")
        async with self.encrypted.get(f"{url}/ringcentral{ACCOUNT}", headers={"Authorization": "Bearer any"}) as answer:
            await answer.read()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.workers.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # plain HTTP where TLS is spoken
        await reader.read()
        writer.close()

    async def log_in(self, client: str, mount: str, app: str) -> str:
        """Log in to a simulated RingCentral through the proxy; return the token."""
        form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
        return await self._post(client, f"/{mount}/restapi/oauth/token", form, basic(app, f"{app}-secret"))

    async def _log_in_past_the_proxy(self) -> str:
        form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
        target = f"{self.ringcentral.base_url}/restapi/oauth/token"
        headers = basic(self.login, f"{self.login}-secret")
        async with aiohttp.ClientSession() as session, session.post(target, data=form, headers=headers) as answer:
            return str((await answer.json())["access_token"])

    async def _post(self, client: str, target: str, form: Mapping[str, str], headers: Mapping[str, str]) -> str:
        answer = await self.house.send("POST", target, headers=key(client) | dict(headers), form=form)
        assert answer.status == 200, answer
        return str(answer.json["access_token"])

    async def _get(self, client: str, target: str, token: str, headers: Mapping[str, str] | None = None) -> None:
        await self.house.send("GET", target, token, key(client) | dict(headers or {}))


def _with_key(step: Step) -> Step:
    return replace(step, request=replace(step.request, headers=(*step.request.headers, *key(DEMO).items())))


# --- starting it ----------------------------------------------------------------------------------------


@asynccontextmanager
async def open_site(directory: Path) -> AsyncIterator[Site]:
    """Start everything."""
    authority = Authority(directory)
    authority.secret()
    async with AsyncExitStack() as stack:
        ringcentral = RingCentralSimulator(link_base=None, media_link_base=None)
        simulators: list[Simulator] = [ringcentral, EightByEightSimulator(), NewVoiceMediaSimulator()]
        for simulator in simulators:
            await start(simulator)
            stack.push_async_callback(simulator.stop)
        valkey = Valkey()
        await valkey.start()
        stack.push_async_callback(valkey.kill)
        vendors, top = _vendors(directory, ringcentral), _top(directory, valkey)
        other = configuration(simulators, vendors, top | {"readiness": {"min_scored_calls": 300}})
        app = App(configuration(simulators, vendors, top), None, None)
        await app.start()
        stack.push_async_callback(app.stop, 0.0)
        workers = await stack.enter_async_context(serving(_second(directory, ringcentral), "--workers", "2"))
        session = await stack.enter_async_context(_session())
        encrypted = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=authority.client(), force_close=True))
        )
        house = House(app, {simulator.vendor: simulator for simulator in simulators}, session)
        yield Site(house, ringcentral, workers, encrypted, other)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), cookie_jar=aiohttp.DummyCookieJar())


def _vendors(directory: Path, ringcentral: RingCentralSimulator) -> dict[str, Json]:
    rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
    for row in rows["operations"]:
        row["requires"] = _WRONG.get(row["id"], row["requires"])
    (directory / "wrong.yaml").write_text(yaml.safe_dump(rows))
    trial = {"kind": "ringcentral", "mount": {"path": "/trial"}, "upstream": ringcentral.base_url, "mode": "shadow"}
    generic = str(builtin_config_directory() / "catalogs" / "example-generic.yaml")
    gone = {"kind": "generic", "mount": {"path": "/old-pbx"}, "upstream": "http://127.0.0.1:1", "catalog": generic}
    return {"ringcentral": {"discover_scopes": True}, "trial": trial | {"catalog": str(directory / "wrong.yaml")}, "old-pbx": gone}


def _top(directory: Path, valkey: Valkey) -> Json:
    issuer = Issuer()
    issuer.add("one")
    (directory / "keys.json").write_bytes(issuer.public)
    return {
        "clients": [_client(DEMO), _client(APP, allow=_RULES), _client(ARCHIVER)],
        "issuers": [{"issuer": NAME, "audience": AUDIENCE, "jwks_file": str(directory / "keys.json")}],
        "state": {"path": str(directory / "scopegate.db")},
        "audit": {"path": str(directory / "audit.jsonl")},
        "shared_state": {"url": valkey.url, "key": "ab" * 32},
    }


def _second(directory: Path, ringcentral: RingCentralSimulator) -> Path:
    mount = {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "upstream": ringcentral.base_url}
    tls = {"cert_file": "secret/tls.crt", "key_file": "secret/tls.key"}
    file = directory / "second.yaml"
    file.write_text(yaml.safe_dump({"vendors": {"ringcentral": mount}, "tls": tls}))
    return file
