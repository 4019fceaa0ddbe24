from __future__ import annotations

import json
import signal
from typing import Any

import aiohttp
import pytest

from tests.integration.cli.processes import Running, scopegate, started


async def announced(running: Running) -> Any:
    """Read the JSON document that is printed at the start."""
    await running.output_line("{")
    await running.output_line("}")
    return json.loads("".join(running.told))


@pytest.mark.parametrize(
    ("vendor", "path", "status"),
    [("ringcentral", "/restapi/v1.0/account/~", 401), ("8x8", "/analytics/work/v2/pbxes", 400), ("newvoicemedia", "/stats", 401)],
)
async def test_it_runs_until_a_signal(vendor: str, path: str, status: int) -> None:
    async with started("simulate", vendor, "--format", "json") as running, aiohttp.ClientSession() as session:
        told = await announced(running)
        async with session.get(told["base_url"] + path) as answer:
            assert answer.status == status
        running.send(signal.SIGINT)
        code, _, errors = await running.end()
    assert (code, errors, told["vendor"]) == (0, "", vendor)


async def test_people_get_the_accounts_and_the_address() -> None:
    async with started("simulate", "ringcentral", "--listen", "127.0.0.1:0") as running:
        line = await running.output_line("base url: ")
    assert line.startswith("base url: http://127.0.0.1:")
    assert "demo-reader-secret" in "".join(running.told)


async def login(session: aiohttp.ClientSession, base_url: str) -> int:
    form = {"grant_type": "client_credentials", "scope": "stats"}
    form |= {"client_id": "demo-stats", "client_secret": "demo-stats-secret"}
    async with session.post(f"{base_url}/Auth/connect/token", data=form) as answer:
        return answer.status


async def test_newvoicemedia_serves_logins_on_the_same_port_or_on_one_of_their_own() -> None:
    async with started("simulate", "newvoicemedia", "--format", "json") as running, aiohttp.ClientSession() as session:
        told = await announced(running)
        assert told["token_base_url"] == told["base_url"]
        assert await login(session, told["base_url"]) == 200
    apart = ("--token-listen", "127.0.0.1:0")
    async with started("simulate", "newvoicemedia", *apart, "--format", "json") as running, aiohttp.ClientSession() as session:
        told = await announced(running)
        assert [await login(session, told[name]) for name in ("token_base_url", "base_url")] == [200, 401]


def test_an_address_in_use(occupied: int) -> None:
    finished = scopegate("simulate", "8x8", "--listen", f"127.0.0.1:{occupied}")
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (1, "", 1)
    assert f"cannot listen on 127.0.0.1:{occupied}" in finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("ringcentral", "--listen", "0.0.0.0:0"),
        ("ringcentral", "--token-listen", "127.0.0.1:0"),
        ("newvoicemedia", "--token-listen", "127.0.0.2:0"),
        ("8x8", "--media-listen", "127.0.0.1:0"),
        ("ringcentral", "--media-listen", "127.0.0.2:0"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    assert scopegate("simulate", *arguments).returncode == 2


async def test_other_machines_are_let_in_on_request_only() -> None:
    async with started("simulate", "8x8", "--listen", "0.0.0.0:0", "--allow-remote") as running:
        assert "0.0.0.0" in await running.output_line("base url: ")


async def test_ringcentral_serves_media_on_the_same_port_or_on_one_of_their_own() -> None:
    async with started("simulate", "ringcentral", "--format", "json") as running:
        told = await announced(running)
        assert told["media_base_url"] == told["base_url"]
    apart = ("--media-listen", "127.0.0.1:0")
    async with started("simulate", "ringcentral", *apart, "--format", "json") as running, aiohttp.ClientSession() as session:
        told = await announced(running)
        path = "/restapi/v1.0/account/~/recording/1"
        addresses = [told["base_url"] + path, f"{told['media_base_url']}{path}/content", told["media_base_url"] + path]
        assert [await status(session, address) for address in addresses] == [401, 401, 404]


async def status(session: aiohttp.ClientSession, address: str) -> int:
    async with session.get(address) as answer:
        return answer.status
