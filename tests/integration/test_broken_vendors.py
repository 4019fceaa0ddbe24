"""A bug inside a vendor's module forwards, is counted, and tells nothing: its exception quotes what the module was shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random, randbytes
from typing import Any

import aiohttp
import pytest

from proxy.app import App
from proxy.composition.compose import Knowledge, Parts, build_service
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.closing import Closer
from proxy.decision.gate import Gate
from proxy.decision.ruling import Mount
from proxy.protocol.identifiers import IdMaker
from proxy.protocol.trace_context import Traces
from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.telemetry.exchange import Exchange
from proxy.telemetry.json_lines import JsonLines
from proxy.telemetry.text_lines import TextLines
from proxy.wire.listener import Listener
from tests.integration.canary import ASSERTION, QUERY, SECRET, STRAY_TOKEN, MarkedMint, Written, found_in, marked_vendors
from tests.integration.house import HandClocks, basic, configuration

# --- bugs inside a vendor's module, whose exceptions quote what they were shown


QUESTIONS = (
    "token_place", "effective_method", "watch", "watch_answer", "knowledge_in_token", "classify", "learn", "shape_variant",
    "write_refusal", "write_policy_refusal", "remediation", "documentation",
)  # fmt: skip


def failing(mount: Mount, question: str) -> Mount:
    """Return the mount with a vendor that fails to answer one question."""

    def fail(*shown: Any, **more: Any) -> Any:
        raise ValueError(f"{shown} {more} {STRAY_TOKEN} {SECRET}")

    kind = type(mount.vendor)
    broken = type("Broken", (kind,), {question: fail})
    return replace(mount, vendor=broken(mount.vendor.name, mount.vendor.catalog, mount.vendor.configured_grants))


@dataclass
class Broken:
    """A listener in front of RingCentral whose vendor module fails to answer one question."""

    listener: Listener
    simulator: RingCentralSimulator
    knowledge: Knowledge
    exchanges: list[Exchange]
    port: int = 0

    @property
    def latest_token(self) -> str:
        assert isinstance(self.simulator.mint, MarkedMint)
        return self.simulator.mint.latest

    async def send(self, method: str, path: str, token: str, form: Mapping[str, str] | None = None) -> tuple[int, bool, bytes]:
        """Return the status, whether the proxy answered itself, and the whole answer if it did."""
        fields = basic("reader", SECRET) if form is not None else {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.request(method, f"http://127.0.0.1:{self.port}/ringcentral{path}", headers=fields, data=form) as response:
            body = await response.read()
            local = response.headers["Scopegate-Answered-By"] == "proxy"
            return response.status, local, repr(response.headers).encode() + body if local else b""


@asynccontextmanager
async def broken_house(question: str) -> AsyncIterator[Broken]:
    simulator, _, _ = marked_vendors()
    await simulator.start()
    loaded = configuration([simulator], {}, {})
    app = App(loaded)  # never started: it lends its way of noting bugs
    knowledge, exchanges, clocks = Knowledge({}, {}), list[Exchange](), HandClocks()
    fingerprinter, ids = Fingerprinter(Secret(b"key")), IdMaker(Random(1).getrandbits)
    parts = Parts(asyncio.get_running_loop(), clocks, fingerprinter, ids, knowledge, exchanges.append, app.note_bug)
    service = build_service(loaded, parts)
    gate = Gate(
        [failing(mount, question) for mount in service.gate.mounts], [], fingerprinter, clocks, ids, Traces(randbytes), app.note_bug
    )
    listener = Listener(replace(service, gate=gate, closer=Closer(gate, exchanges.append, app.note_bug, 100_000)), app.note_bug)
    broken = Broken(listener, simulator, knowledge, exchanges, await listener.start("127.0.0.1", 0))
    try:
        yield broken
    finally:
        await listener.drain(0.0)
        await simulator.stop()


def texts_in(value: object, seen: set[int]) -> Iterator[bytes]:
    """Yield every text that can be reached from a value: what a dump of the store would show."""
    if id(value) in seen or callable(value):
        return
    seen.add(id(value))
    if isinstance(value, str | bytes | bytearray):
        yield value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from texts_in(pair, seen)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from texts_in(item, seen)
    else:
        names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        for member in (*vars(value).values(), *()) if hasattr(value, "__dict__") else (getattr(value, name, None) for name in names):
            yield from texts_in(member, seen)


FAILS_OPEN = [question for question in QUESTIONS if question != "write_policy_refusal"]


@pytest.mark.parametrize("question", FAILS_OPEN)
async def test_bug_in_a_vendors_module_forwards_and_tells_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, question: str
) -> None:
    caplog.set_level(logging.DEBUG)
    written, account = Written(), "/restapi/v1.0/account/~"
    async with broken_house(question) as house:
        form = {"grant_type": JWT_GRANT, "assertion": ASSERTION}
        answers = [await house.send("POST", f"/restapi/oauth/token?{QUERY}", "", form)]
        token = house.latest_token
        for path in (account, f"{account}/call-log", f"{account}/call-log", f"{account}/nothing"):
            answers += [await house.send(method, f"{path}?{QUERY}", who) for who in (token, STRAY_TOKEN, "") for method in ("GET", "POST")]
        assert {status for status, _, _ in answers} <= {200, 401, 403, 404}
        assert all(local is (status == 403) or not local for status, local, _ in answers)
        assert len(house.exchanges) == len(answers)
        for text in texts_in(house.knowledge, set()):
            written.add("store", text)
    encoders = (JsonLines(), TextLines())
    for exchange in house.exchanges:
        for encode in encoders:
            written.add("decision log", encode(exchange))
    for _, _, told in answers:
        written.add("local answer", told)
    out, err = capfd.readouterr()
    assert "internal error: ValueError in " in caplog.text
    for place, data in (("standard output", out), ("standard error", err), ("logging", caplog.text)):
        written.add(place, data.encode())
    written.assert_clean()


async def test_the_store_holds_no_secret() -> None:
    async with broken_house("write_policy_refusal") as house:
        token = ""
        for _ in range(2):
            await house.send("POST", "/restapi/oauth/token", "", {"grant_type": JWT_GRANT, "assertion": ASSERTION})
            token = house.latest_token
        for who in (token, STRAY_TOKEN):
            await house.send("GET", f"/restapi/v1.0/account/~/call-log?{QUERY}", who)
        assert len(house.knowledge.stores["ringcentral"]) == 2
        texts = list(texts_in(house.knowledge, set()))
    assert b"ReadAccounts" in texts
    assert not [found for text in texts for found in found_in(text)]
