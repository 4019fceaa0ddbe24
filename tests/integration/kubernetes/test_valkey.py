"""The Valkey that the chart runs: its command with a real server, the proxy logged in to it, strangers kept out."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.fakes.sandbox import Container
from tests.fakes.waiting import eventually
from tests.integration.kubernetes.launching import AT_ONCE, metric_is, ready, started, valkey_started, vendor_started
from tests.integration.kubernetes.objects import PASSWORD
from tests.integration.kubernetes.rendering import rendered

LOGIN = (
    "-u",
    "demo-reader:demo-reader-secret",
    "-d",
    "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
    "-d",
    "assertion=demo-jwt-amy",
)
RINGCENTRAL = "http://127.0.0.1:8080/ringcentral"
DENIED = f"{RINGCENTRAL}/restapi/v1.0/account/~/call-log"


async def test_what_one_pod_learned_the_next_one_knows_from_the_charts_valkey(tmp_path: Path) -> None:
    """The proxy logs in with the name and password that the chart gave both, and may do there all that it needs."""
    sets = (
        "--set",
        "config.workers=1",
        "--set",
        "config.mode=enforce",
        "--set",
        "config.vendors.ringcentral.upstream=http://127.0.0.1:7000",
    )
    manifests = rendered("valkey", *AT_ONCE, *sets)
    async with (
        started(tmp_path / "first", manifests, hosts=[STORE]) as (first, _),
        valkey_started(tmp_path / "valkey", manifests, first.pid) as store,
    ):
        await ready(first, manifests)
        await metric_is(first, "scopegate_shared_store_up", above=0)
        async with vendor_started(first):
            token = await logged_in(first)
            await metric_is(first, 'scopegate_shared_store_operations_total{result="written"}', above=0)
            assert await answer(first, token) == 403
            os.kill(first.pid, signal.SIGTERM)
            await first.process.wait()
            async with started(tmp_path / "second", manifests, hosts=[STORE], beside=store.pid) as (second, _):
                await ready(second, manifests)
                assert await answer(second, token) == 403, "it never saw the login"
                await metric_is(second, 'scopegate_vendor_calls_avoided_total{reason="missing_scope",vendor="ringcentral"}', above=0)


STORE = "gate-scopegate-valkey"


async def logged_in(one: Container) -> str:
    """Log in through the proxy as soon as the vendor is there; return the token."""
    found: list[str] = []

    async def it_did() -> bool:
        status, body = await one.curl(*LOGIN, f"{RINGCENTRAL}/restapi/oauth/token")
        found[:] = [json.loads(body)["access_token"]] if status == 200 else []
        return bool(found)

    await eventually(it_did)
    return found[0]


async def answer(one: Container, token: str) -> int:
    return (await one.curl("-H", f"Authorization: Bearer {token}", DENIED))[0]


async def test_valkey_keeps_strangers_out(tmp_path: Path) -> None:
    manifests = rendered("valkey", *AT_ONCE)
    async with (
        started(tmp_path / "proxy", manifests, hosts=[STORE]) as (one, _),
        valkey_started(tmp_path / "valkey", manifests, one.pid) as store,
    ):

        async def listens() -> bool:
            return "NOAUTH" in await said(one, "PING")

        await eventually(listens)
        assert "NOAUTH" in await said(one, "GET scopegate:x")
        assert "WRONGPASS" in await said(one, f"AUTH default {PASSWORD}")
        login = f"AUTH scopegate {PASSWORD}"
        assert "NOPERM" in await said(one, login, "GET other")
        assert "NOPERM" in await said(one, login, "CONFIG GET requirepass")
        assert "NOPERM" in await said(one, login, "FLUSHALL")
        assert set(store.status()["Uid"].split()) == {"10001"}
        assert store.status()["CapBnd"] == "0" * 16
        assert store.writable() == {"/data"}
        assert PASSWORD not in store.command_line()


async def said(one: Container, *lines: str) -> str:
    """Send lines to the store from within the pod's network; return what it says."""
    text = "".join(f"{line}\r\n" for line in (*lines, "QUIT"))
    return (await one.curl("--output", "-", "telnet://127.0.0.1:6379", given=text))[1]
