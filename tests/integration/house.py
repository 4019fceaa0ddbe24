"""A whole proxy in front of simulated vendors, over real sockets: what the end-to-end tests live in."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from proxy.app import App
from proxy.settings import Loaded, parse_settings
from proxy.simulators import NewVoiceMediaSimulator, RingCentralSimulator, Simulator
from proxy.simulators.messages import Incoming, Reply

CONNECTIONS: Final = 16
Json = dict[str, Any]


@dataclass
class HandClocks:
    """Clocks that a test moves by hand, in seconds."""

    moved: float = 1000.0

    def now(self) -> float:
        return self.moved

    def wall(self) -> float:
        return 1_795_000_000.0 + self.moved


@dataclass(frozen=True)
class Answer:
    """One answer as the app got it; the body is decoded."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Json:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def member(self) -> Json:
        member = self.json["scopegate"]
        assert isinstance(member, dict)
        return member

    @property
    def without_member(self) -> Json:
        return {name: value for name, value in self.json.items() if name != "scopegate"}

    @property
    def decision(self) -> str:
        return self.headers["Scopegate-Decision"]

    @property
    def local(self) -> bool:
        """Whether the proxy answered itself; the header must say one or the other."""
        by = self.headers["Scopegate-Answered-By"]
        assert by in {"proxy", "vendor"}
        return by == "proxy"

    @property
    def told(self) -> tuple[int, str, bool]:
        """Status, decision, and whether the proxy answered itself."""
        return self.status, self.decision, self.local


class House:
    """One running proxy, the vendors behind it, and a client that follows and repeats nothing."""

    def __init__(self, app: App, simulators: Mapping[str, Simulator], session: aiohttp.ClientSession) -> None:
        self.app = app
        self.simulators = simulators
        self._session = session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.app.port}"

    async def send(
        self,
        method: str,
        target: str,
        token: str = "",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request. `target` is sent as it is, the vendor's mount included."""
        fields = CIMultiDict(headers)
        if token:
            fields.add("Authorization", f"Bearer {token}")
        url = URL(self.url + target, encoded=True)
        data = aiohttp.FormData(form) if form is not None else body
        async with self._session.request(method, url, headers=fields, data=data, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return everything that comes until the proxy hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.app.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    # --- the admin listener

    async def admin(self, path: str, method: str = "GET", question: Json | None = None) -> Any:
        """Return the JSON that the admin listener answers; None for 204."""
        async with self._session.request(method, f"http://127.0.0.1:{self.app.admin_port}{path}", json=question) as response:
            assert response.status in {200, 204}, await response.text()
            return await response.json() if response.status == 200 else None

    async def page(self) -> str:
        """Return the metrics page."""
        async with self._session.get(f"http://127.0.0.1:{self.app.admin_port}/metrics") as response:
            return await response.text()

    async def count(self, name: str, by: str = "", **where: str) -> dict[tuple[str, ...], float]:
        """Return a metric summed by the labels that `by` names, where others are as in `where`; what is 0 is left out."""
        found: dict[tuple[str, ...], float] = {}
        samples = [sample for family in text_string_to_metric_families(await self.page()) for sample in family.samples]
        for sample in samples:
            if sample.name == name and sample.value and where.items() <= sample.labels.items():
                key = tuple(sample.labels[label] for label in by.split())
                found[key] = found.get(key, 0) + sample.value
        assert any(sample.name == name for sample in samples), f"{name} is not on the page"
        return found


def basic(client_id: str, secret: str = "secret") -> dict[str, str]:
    """Return the header with which a client authenticates itself (RFC 6749 section 2.3.1)."""
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def ask_directly(simulator: Simulator, method: str, target: str, token: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """Ask the vendor past the proxy, without a socket and without a line in its journal."""
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    if token:
        fields["authorization"] = f"Bearer {token}"
    return simulator.answer(Incoming("api", method, target, fields))


def configuration(simulators: Iterable[Simulator], vendors: Mapping[str, Json], top: Mapping[str, Any]) -> Loaded:
    """Return the configuration that mounts each vendor at /<its name>; JSON is YAML too."""
    entries: dict[str, Json] = {}
    for simulator in simulators:
        entry = {"kind": simulator.vendor, "mount": {"path": f"/{simulator.vendor}"}, "upstream": simulator.base_url}
        if isinstance(simulator, NewVoiceMediaSimulator):
            entry["token_upstream"] = simulator.token_base_url
        if isinstance(simulator, RingCentralSimulator):
            entry["media_upstream"] = simulator.media_base_url
        entries[simulator.vendor] = entry
    for name, more in vendors.items():
        entries[name] = entries.get(name, {}) | more
    text = {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "vendors": entries, **top}
    loaded = parse_settings(json.dumps(text).encode(), {}, file=Path("scopegate.yaml"))
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded


async def start(simulator: Simulator) -> None:
    """Start a vendor with every listener it has."""
    match simulator:
        case NewVoiceMediaSimulator():
            await simulator.start(token_port=0)
        case RingCentralSimulator():
            await simulator.start(media_port=0)
        case _:
            await simulator.start()


@asynccontextmanager
async def open_house(
    *simulators: Simulator,
    vendors: Mapping[str, Json] | None = None,
    clocks: HandClocks | None = None,
    log_descriptor: int | None = None,
    bugs: int = 0,
    make: type[App] = App,
    **top: Any,
) -> AsyncIterator[House]:
    """Start the vendors and a proxy in front of them. `vendors` adds settings per vendor, `top` top-level ones.

    At the end exactly `bugs` exceptions of the proxy's own must have been counted.
    """
    for simulator in simulators:
        await start(simulator)
    app = make(configuration(simulators, vendors or {}, top), log_descriptor, clocks)
    await app.start()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        house = House(app, {simulator.vendor: simulator for simulator in simulators}, session)
        try:
            yield house
            counted = await house.count("scopegate_bugs_total")
        finally:
            await app.stop(0.0)
            for simulator in simulators:
                await simulator.stop()
    assert counted.get((), 0) == bugs
