"""The vendor's own clients, with nothing changed but the server's URL, in front of the proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringcentral import SDK
from ringcentral.http.api_exception import ApiException

from proxy.simulators import RingCentralSimulator
from tests.integration.house import House, Json, open_house

MESSAGE = "In order to call this API endpoint, application needs to have [ReadCallLog] permission"
APP = ("demo-reader", "demo-reader-secret")
JWT = "demo-jwt-amy"


@pytest.fixture
async def simulator() -> RingCentralSimulator:
    return RingCentralSimulator()


@pytest.fixture
async def house(simulator: RingCentralSimulator) -> AsyncIterator[House]:
    async with open_house(simulator) as house:
        yield house


def requests_of(simulator: RingCentralSimulator) -> list[str]:
    return [f"{entry.method} {entry.path}" for entry in simulator.journal]


SENT = [
    "POST /restapi/oauth/token",
    "GET /restapi/v1.0/account/~",
    "POST /restapi/oauth/token",
    "GET /restapi/v1.0/account/~",
    "POST /restapi/oauth/revoke",
]
"""What reaches the vendor: neither the denied calls nor a retry of them, nor a refresh because of them."""


async def known_tokens(house: House) -> int:
    return len((await house.admin("/api/v1/grants"))["grants"])


# --- Python


def use_python_client(server: str) -> Json:
    platform = SDK(*APP, server).platform()
    seen: Json = {}
    platform.login(jwt=JWT)
    first = platform.auth().access_token()
    seen["allowed"] = platform.get("/restapi/v1.0/account/~").response().status_code
    seen["denied"] = denied(platform, "/restapi/v1.0/account/~/call-log")
    seen["short"] = denied(platform, "/account/~/extension/~/active-calls")
    platform.refresh()
    seen["renewed"] = platform.auth().access_token() != first
    seen["after"] = platform.get("/restapi/v1.0/account/~").response().status_code
    seen["still"] = denied(platform, "/restapi/v1.0/account/~/call-log")
    platform.logout()
    seen["loggedIn"] = platform.auth().access_token_valid()
    return seen


def denied(platform: Any, path: str) -> Json:
    with pytest.raises(ApiException) as caught:
        platform.get(path)
    response = caught.value.api_response()
    return {"message": str(caught.value), "status": response.response().status_code, "body": response.json_dict()}


async def test_python_ringcentral(house: House, simulator: RingCentralSimulator) -> None:
    seen = await asyncio.to_thread(use_python_client, f"{house.url}/ringcentral")
    assert (seen["allowed"], seen["after"], seen["renewed"], seen["loggedIn"]) == (200, 200, True, False)
    assert_denials(seen)
    assert requests_of(simulator) == SENT
    assert await known_tokens(house) == 0


async def test_python_ringcentral_reads_what_it_may(house: House) -> None:
    def read() -> Any:
        platform = SDK("demo-archiver", "demo-archiver-secret", f"{house.url}/ringcentral").platform()
        platform.login(jwt=JWT)
        return platform.get("/restapi/v1.0/account/~/call-log", {"perPage": 2}).json_dict()

    assert len((await asyncio.to_thread(read))["records"]) == 2


def assert_denials(seen: Json) -> None:
    for name, operation in (("denied", "readCompanyCallLog"), ("short", "listExtensionActiveCalls"), ("still", "readCompanyCallLog")):
        assert MESSAGE in seen[name]["message"]
        assert seen[name]["status"] == 403
        assert seen[name]["body"]["errors"][0]["errorCode"] == "CMN-401"
        assert seen[name]["body"]["scopegate"]["operation"] == operation


# --- Node


async def run_node(folder: Path, script: str, server: str) -> Json:
    process = await asyncio.create_subprocess_exec(
        "node", script, server, *APP, JWT, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    seen = json.loads(said)
    assert isinstance(seen, dict)
    return seen


@pytest.mark.timeout(300)  # the first run installs the clients
@pytest.mark.parametrize("script", ["ringcentral-sdk.mjs", "rc-ex-core.mjs"])
async def test_node_clients(node_clients: Path, house: House, simulator: RingCentralSimulator, script: str) -> None:
    seen = await run_node(node_clients, script, f"{house.url}/ringcentral")
    assert (seen["allowed"]["status"], seen["after"]["status"]) == (200, 200)
    assert (seen["renewed"], seen["logout"], seen["loggedIn"]) == (True, 200, False)
    assert_denials(seen)
    assert requests_of(simulator) == SENT
    assert await known_tokens(house) == 0
