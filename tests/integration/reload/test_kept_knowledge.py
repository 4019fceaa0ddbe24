"""What is known outlives a reload everywhere it is kept: on the disk, with other replicas, and behind gateways; and so do certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proxy.composition.reloading import Result
from tests.fakes.authority import Authority
from tests.fakes.client import connect
from tests.fakes.running import CATALOG
from tests.fakes.valkey import valkey
from tests.fakes.waiting import eventually
from tests.integration.reload.site import DENIED, PERMITTED, Site, ask, log_in, open_site, told

WIDER = CATALOG + '  - {id: other, method: GET, path: "/other", requires: [["calls:read"]], origin: documented}\n'


async def test_the_disk_keeps_what_is_left_under_the_new_catalogue(tmp_path: Path) -> None:
    async with open_site(tmp_path, state={"path": "scopegate.db"}) as site:
        client = await site.client()
        token = await log_in(client, "calls:none")
        assert (await ask(client, "odd-none")).get("Scopegate-Answered-By") == "vendor"
        assert told(await ask(client, "odd-none")) == DENIED
        site.write_catalog(WIDER)
        await site.reload()
        await site.app.stop(1.0)
        await site.restart()
        client = await site.client()
        assert told(await ask(client, token, "/acme/other")) == DENIED
        assert (await ask(client, "odd-none")).get("Scopegate-Answered-By") == "vendor"


async def test_replicas_share_again_once_they_have_the_same_catalogue(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    async with valkey() as store:
        shared: dict[str, Any] = {"shared_state": {"url": store.url, "key": "ab" * 32}}
        async with open_site(tmp_path, **shared) as one, open_site(tmp_path / "two", **shared) as two:
            await knows(two, await log_in(await one.client(), "calls:none"))
            one.write_catalog(WIDER)
            await one.reload()
            token = await log_in(await one.client(), "calls:read")
            client = await two.client()
            assert (await ask(client, token)).get("Scopegate-Decision") == "indeterminate"
            two.write_catalog(WIDER)
            await two.reload()
            await knows(two, token, PERMITTED)
            await knows(one, await log_in(await two.client(), "calls:none"))


async def knows(site: Site, token: str, answer: tuple[int, str, str] = DENIED) -> None:
    client = await site.client()

    async def it_knows() -> bool:
        return told(await ask(client, token)) == answer

    await eventually(it_knows)


async def test_other_certificate_files_count_for_the_next_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.secret("localhost")
    other = authority.issue("localhost")
    (tmp_path / "other.crt").write_bytes(other.cert)
    (tmp_path / "other.key").write_bytes(other.key)
    async with open_site(tmp_path, tls={"cert_file": "secret/tls.crt", "key_file": "secret/tls.key"}) as site:
        old = await connect(site.app.port, tls=authority.client())
        site.write(tls={"cert_file": "other.crt", "key_file": "other.key"})
        await site.reload()
        new = await connect(site.app.port, tls=authority.client())
        assert new.certificate["serialNumber"] != old.certificate["serialNumber"]
        assert [(await ask(client)).status for client in (old, new)] == [200, 200]
        site.write(tls=None)
        await site.reload(Result.FAILED)
        site.write(tls={"cert_file": "other.crt", "key_file": "scopegate.yaml"})
        await site.reload(Result.FAILED)
        for client in (old, new):
            client.close()
