"""Another configuration while the proxy runs: what changes at once, what ends in the old one, what is kept."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import weakref
from pathlib import Path
from typing import Any

import pytest

from proxy.composition.reloading import Result
from tests.fakes.issuer import Issuer
from tests.fakes.origin import OK, Wire
from tests.fakes.running import CATALOG
from tests.fakes.waiting import eventually
from tests.integration.reload.site import DENIED, PERMITTED, UNKNOWN, ask, get, log_in, open_site, told

KEY = "the-key-of-reporter"
STRICTER = CATALOG.replace('path: "/calls", requires: [["calls:read"]]', 'path: "/calls", requires: [["calls:read", "calls:all"]]')
REPORTER: dict[str, Any] = {"name": "reporter", "authenticate": {"api_key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}}
FIELDS = f"Scopegate-Key: {KEY}\r\n"


async def test_another_mode_counts_for_the_next_request_of_an_open_connection(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        token = await log_in(client, "calls:none")
        for _ in range(3):  # repeated, so that everything that can be remembered is
            assert told(await ask(client, token)) == DENIED
        site.write(mode="shadow")
        await site.reload()
        assert told(await ask(client, token)) == (403, "would-deny", "vendor")
        site.write(mode="enforce")
        await site.reload()
        assert told(await ask(client, token)) == DENIED


async def test_every_decision_names_the_configuration_that_made_it(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        tokens = [await log_in(client, scope) for scope in ("calls:read", "calls:none")]
        revisions = []
        for seconds in (7, 8):
            site.write_vendor(timeouts={"response_head_s": seconds})
            await site.reload()
            revisions.append((await site.config())["revision"])
            for token in tokens * 3:
                await ask(client, token)
        rows = (await site.decisions(14))[2:]
        assert [row["revision"] for row in rows] == [revisions[0]] * 6 + [revisions[1]] * 6


async def test_what_scopes_imply_is_judged_anew(tmp_path: Path) -> None:
    catalog = CATALOG.replace("operations:", '  "calls:all": {implies: ["calls:read"], title: All, remediation: [ask]}\noperations:')
    async with open_site(tmp_path) as site:
        site.write_catalog(catalog)
        await site.reload()
        client = await site.client()
        token = await log_in(client, "calls:all")
        assert told(await ask(client, token)) == PERMITTED
        site.write_vendor(implied_scopes="ignore")
        await site.reload()
        assert told(await ask(client, token)) == DENIED


async def test_a_rule_added_and_removed_counts_on_an_open_connection(tmp_path: Path) -> None:
    async with open_site(tmp_path, clients=[REPORTER]) as site:
        client = await site.client()
        for allow, status in ((None, 200), ([], 403), ([{"vendor": "acme"}], 200)):
            site.write(clients=[REPORTER if allow is None else {**REPORTER, "allow": allow}])
            await site.reload(Result.UNCHANGED if allow is None else Result.LOADED)
            for _ in range(2):
                assert (await ask(client, "some-token", fields=FIELDS)).status == status
        site.write(clients=[{**REPORTER, "authenticate": {"api_key_sha256": "ab" * 32}}])
        await site.reload()
        assert (await ask(client, "some-token", fields=FIELDS)).status == 403


async def test_a_request_under_way_ends_in_the_configuration_it_began_in(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(wire: Wire) -> None:
        while True:
            await wire.request()
            await release.wait()
            await wire.send(OK)

    async with open_site(tmp_path, slow) as site:
        before = (await site.config())["revision"]
        client = await site.client()
        await client.send(get(token="one"))
        await (await site.origin.wire()).until(b"\r\n\r\n")
        await client.send(get(token="two"))  # pipelined: its head is complete, so it has begun
        await site.app_saw(2)
        site.write(mode="shadow")
        await site.reload()
        await client.send(get(token="three"))
        release.set()
        for _ in range(3):
            assert (await client.answer()).status == 200
        after = (await site.config())["revision"]
        rows = await site.decisions(3)
        assert [(row["revision"], row["mode"]) for row in rows] == [(before, "enforce"), (before, "enforce"), (after, "shadow")]


async def test_what_tokens_were_granted_stays_known_and_is_judged_anew(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        token, poor = await log_in(client, "calls:read"), await log_in(client, "calls:none")
        for _ in range(2):
            assert (told(await ask(client, token)), told(await ask(client, poor))) == (PERMITTED, DENIED)
        site.write_catalog(STRICTER)
        await site.reload()
        denied = await ask(client, token)
        assert told(denied) == DENIED
        assert b"calls:all" in denied.body
        site.write_catalog(CATALOG)
        await site.reload()
        assert (told(await ask(client, token)), told(await ask(client, poor))) == (PERMITTED, DENIED)


async def test_what_single_answers_taught_ends_with_the_catalogue_that_explained_them(tmp_path: Path) -> None:
    refusal = b'{"error":"insufficient_scope","scope":"calls:read"}'
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(refusal)

    async def refuse(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(head + refusal)

    async with open_site(tmp_path, refuse) as site:
        client = await site.client()
        assert (await ask(client, "odd")).get("Scopegate-Answered-By") == "vendor"
        assert told(await ask(client, "odd")) == DENIED
        site.write_vendor(learned_ttl_s=500)
        await site.reload()
        assert told(await ask(client, "odd")) == DENIED  # the catalogue is the same
        site.write_catalog(STRICTER)
        await site.reload()
        assert (await ask(client, "odd")).get("Scopegate-Answered-By") == "vendor"


async def test_an_answer_of_the_old_catalogue_teaches_nothing_under_the_new_one(tmp_path: Path) -> None:
    refusal = b'{"error":"insufficient_scope","scope":"calls:read"}'
    release = asyncio.Event()

    async def refuse_late(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(refusal) + refusal)
        await wire.request()
        await wire.send(OK)

    async with open_site(tmp_path, refuse_late) as site:
        client = await site.client()
        await client.send(get(token="odd"))
        await (await site.origin.wire()).until(b"\r\n\r\n")
        site.write_catalog(STRICTER)
        await site.reload()
        release.set()
        assert (await client.answer()).status == 403
        assert told(await ask(client, "odd")) == UNKNOWN


async def test_another_address_forgets_what_was_known(tmp_path: Path) -> None:
    async with open_site_beside(tmp_path) as other, open_site(tmp_path) as site:
        client = await site.client()
        token = await log_in(client, "calls:none")
        assert told(await ask(client, token)) == DENIED
        site.write_vendor(upstream=f"http://127.0.0.1:{other.origin.port}")
        await site.reload()
        assert (await ask(client, token)).get("Scopegate-Decision") == "indeterminate"
        assert other.origin.dials == 1


def open_site_beside(directory: Path) -> Any:
    (directory / "beside").mkdir()
    return open_site(directory / "beside")


async def test_a_vendor_that_is_taken_away_and_comes_back(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        token = await log_in(client, "calls:none")
        assert told(await ask(client, token)) == DENIED
        site.write(vendors={"other": {**site.vendor, "mount": {"path": "/other"}}})
        await site.reload()
        gone = await ask(client, token)
        assert (gone.status, gone.get("Scopegate-Reason")) == (404, "no_such_mount")
        assert (await site.admin("/api/v1/grants"))["grants"] == []
        assert (await ask(client, token, "/other/calls")).get("Scopegate-Decision") == "indeterminate"
        await site.admin("/api/v1/catalog/acme", 404)
        assert 'scopegate_vendor_calls_avoided_total{reason="missing_scope",vendor="other"} 0.0' in await site.admin("/metrics")
        site.write(vendors={"acme": site.vendor})
        await site.reload()
        assert (await ask(client, token)).get("Scopegate-Decision") == "indeterminate"
        assert told(await ask(client, await log_in(client, "calls:none"))) == DENIED


async def test_connections_to_the_vendor_are_kept_where_nothing_of_them_changes(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        assert (await ask(client)).status == 200
        site.write(mode="shadow")
        await site.reload()
        assert (await ask(client)).status == 200
        assert site.origin.dials == 1
        site.write_vendor(timeouts={"response_head_s": 7})
        await site.reload()
        assert await (await site.origin.wire()).ended() == "end"
        assert (await ask(client)).status == 200
        assert site.origin.dials == 2


async def test_a_connection_in_use_is_closed_when_its_request_has_ended(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)

    async with open_site(tmp_path, slow) as site:
        client = await site.client()
        await client.send(get())
        wire = await site.origin.wire()
        await wire.until(b"\r\n\r\n")
        site.write(limits={"max_in_flight": 3})
        await site.reload()
        assert wire.ending == "open"
        release.set()
        assert (await client.answer()).status == 200
        assert await wire.ended() == "end"


async def test_smaller_limits_count_for_the_very_same_header_fields(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        fields = f"X-Padding: {'a' * 2000}\r\n"
        for _ in range(2):
            assert (await ask(client, fields=fields)).status == 200
        site.write(limits={"max_header_bytes": 1024})
        await site.reload()
        assert (await ask(client, fields=fields)).status == 431


async def test_nothing_of_the_old_configuration_is_left(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        token = await log_in(client, "calls:read")
        for _ in range(3):
            assert told(await ask(client, token)) == PERMITTED
        old = [weakref.ref(thing) for thing in site.weakly()]
        gc.disable()  # what exists at the start is never looked at for garbage: nothing of it may be part of a ring
        try:
            site.write_catalog(STRICTER)
            site.write_vendor(timeouts={"response_head_s": 7})
            await site.reload()
            await ask(client, token)

            async def freed() -> bool:
                return not any(reference() for reference in old)

            await eventually(freed)
        finally:
            gc.enable()


async def test_no_request_is_lost_while_the_configuration_changes_again_and_again(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        clients = [await site.client() for _ in range(4)]
        token = await log_in(clients[0], "calls:read")
        ending = asyncio.Event()

        async def keep_asking(number: int) -> int:
            count = 0
            while not ending.is_set():
                assert told(await ask(clients[number], token))[0] == 200
                count += 1
            return count

        asking = [asyncio.create_task(keep_asking(number)) for number in range(4)]
        for number in range(20):
            site.write_vendor(timeouts={"response_head_s": 10 + number})
            await site.reload()
        ending.set()
        counts = await asyncio.gather(*asking)
        assert min(counts) > 0
        revisions = {row["revision"] for row in (await site.admin("/api/v1/decisions?limit=1000"))["decisions"]}
        assert len(revisions) > 5


@pytest.mark.parametrize(("token", "status"), [("one", 401), ("two", 200)])
async def test_admin_tokens_are_replaced(tmp_path: Path, token: str, status: int) -> None:
    (tmp_path / "admin").write_text(hashlib.sha256(b"one").hexdigest())
    async with open_site(tmp_path) as site:
        site.write(admin={"listen": "127.0.0.1:0", "token_sha256": f"${{file:{tmp_path}/admin}}"})
        await site.reload()
        assert (await site.admin_status("/api/v1/config", "one"), await site.admin_status("/api/v1/config", "two")) == (200, 401)
        (tmp_path / "admin").write_text(hashlib.sha256(b"two").hexdigest())
        await site.reload()
        assert await site.admin_status("/api/v1/config", token) == status
        site.write(admin={"listen": "127.0.0.1:0"})
        await site.reload()


async def test_issuers_of_apps_tokens_come_and_go(tmp_path: Path) -> None:
    issuer = Issuer()
    issuer.add("one")
    (tmp_path / "keys.json").write_bytes(issuer.public)
    claim = {"issuer": issuer.name, "value": "archiver"}
    own = {"issuer": issuer.name, "audience": "scopegate", "jwks_file": "keys.json"}
    token = issuer.token(sub="archiver", exp=2e9, aud="scopegate")
    fields = f"Scopegate-Key: {token}\r\n"
    async with open_site(tmp_path, clients=[REPORTER]) as site:
        client = await site.client()
        assert (await ask(client, "some-token", fields=fields)).status == 403
        site.write(issuers=[own], clients=[REPORTER, {"name": "archiver", "authenticate": {"jwt": claim}}])
        await site.reload()
        for _ in range(2):
            assert (await ask(client, "some-token", fields=fields)).status == 200
        assert 'scopegate_client_tokens_total{result="accepted"} 2.0' in await site.admin("/metrics")
        site.write(issuers=[], clients=[REPORTER])
        await site.reload()
        assert (await ask(client, "some-token", fields=fields)).status == 403


async def test_reports_and_readiness_follow(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        client = await site.client()
        assert told(await ask(client, await log_in(client, "calls:read"))) == PERMITTED
        site.write(vendors={"other": {**site.vendor, "mount": {"path": "/other"}}})
        await site.reload()
        assert (await site.admin("/api/v1/reports/readiness?vendor=other"))["vendors"] is not None
        assert await site.admin("/api/v1/reports/least-privilege?vendor=other")
        assert await site.admin("/api/v1/reports/least-privilege")
        await site.admin("/api/v1/reports/least-privilege?vendor=acme", 400)
