"""HTTPS with several workers: each one serves it, and all follow the files."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.authority import Authority
from tests.fakes.client import connect
from tests.fakes.waiting import eventually
from tests.integration.workers.workshop import EXTENSION, ask, open_workshop

HANDSHAKES, RELOADS = "scopegate_tls_handshakes_total", "scopegate_tls_reloads_total"


async def test_workers_serve_tls_and_follow_the_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.secret()
    async with open_workshop(tmp_path, tls={"cert_file": "secret/tls.crt", "key_file": "secret/tls.key"}) as shop:
        for _ in range(4):
            shop.clients.append(await connect(shop.running.port, tls=authority.client()))
            assert (await ask(shop.clients[-1], "", EXTENSION)).status != 400
        plain = await shop.connect()
        assert (await ask(plain, "", EXTENSION)).get("Scopegate-Reason") == "plain_http"

        async def all_counted() -> bool:
            counts = await shop.values(HANDSHAKES, "listener result")
            return (counts["traffic", "ok"], counts["traffic", "plain_http"]) == (4, 1)

        await eventually(all_counted)
        assert sorted((await shop.connections()).values()) == [2, 2]
        authority.secret()

        async def loaded() -> bool:
            return (await shop.values(RELOADS, "which result"))["traffic", "loaded"] == 1

        await eventually(loaded)
