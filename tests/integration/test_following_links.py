"""Apps that follow RingCentral's links stay behind the proxy, and what a recording needs is enforced where the link leads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from ringcentral import SDK
from ringcentral.http.api_exception import ApiException

from proxy.simulators import NewVoiceMediaSimulator, RingCentralSimulator
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral_bodies import recording_content
from tests.integration.house import Answer, House, Json, ask_directly, basic, open_house

LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
MEDIA = "/ringcentral/scopegate-media"
CONTENT = f"{MEDIA}/restapi/v1.0/account/37439510/recording/500001/content"
GRANT = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
async def simulator(request: pytest.FixtureRequest) -> RingCentralSimulator:
    return RingCentralSimulator(link_base=None, media_link_base=None, compress=request.param)


@pytest.fixture
async def house(simulator: RingCentralSimulator) -> AsyncIterator[House]:
    async with open_house(simulator) as house:
        yield house


async def login(house: House, app: str) -> str:
    answer = await house.send("POST", "/ringcentral/restapi/oauth/token", form=GRANT, headers=basic(app, f"{app}-secret"))
    token = answer.json["access_token"]
    assert isinstance(token, str)
    return token


def links(value: Any) -> list[str]:
    """Every absolute URL in a JSON value."""
    if isinstance(value, dict):
        return [link for item in value.values() for link in links(item)]
    if isinstance(value, list):
        return [link for item in value for link in links(item)]
    return [value] if isinstance(value, str) and value.startswith("http") else []


async def follow(house: House, link: str, token: str) -> Answer:
    assert link.startswith(house.url), link
    return await house.send("GET", link.removeprefix(house.url), token)


def asked_of(simulator: RingCentralSimulator, listener: str) -> list[str]:
    return [entry.path for entry in simulator.journal if entry.listener == listener]


async def test_every_link_of_a_page_leads_through_the_proxy(house: House, simulator: RingCentralSimulator) -> None:
    token = await login(house, "demo-archiver")
    answer = await house.send("GET", f"{LOG}?perPage=1&page=2", token)
    found = links(answer.json)
    assert len(found) == 8  # the page, its call, recording and content, and four pages to go to
    for link in found:
        assert (await follow(house, link, token)).status == 200
    assert asked_of(simulator, "media") == [CONTENT.removeprefix(MEDIA).replace("500001", "500002")]
    assert await house.count("scopegate_link_rewrites_total", "result") != {}


async def test_the_rest_of_the_body_is_byte_for_byte_the_vendors(house: House, simulator: RingCentralSimulator) -> None:
    token = await login(house, "demo-archiver")
    through = await house.send("GET", LOG, token)
    direct = ask_directly(simulator, "GET", LOG.removeprefix("/ringcentral"), token).body
    mount = f"{house.url}/ringcentral".encode()
    back = through.body.replace(mount + b"/scopegate-media", simulator.media_base_url.encode()).replace(mount, simulator.base_url.encode())
    assert back == direct


async def test_a_recording_comes_from_the_media_host(house: House, simulator: RingCentralSimulator) -> None:
    token = await login(house, "demo-archiver")
    answer = await house.send("GET", CONTENT, token)
    assert (answer.status, answer.body, answer.decision) == (200, recording_content(4096), "permit")
    assert asked_of(simulator, "media") == [CONTENT.removeprefix(MEDIA)]
    (last,) = (await house.admin("/api/v1/decisions?limit=1"))["decisions"]
    assert (last["operation"], last["decision"]) == ("readCallRecordingContent", "permit")


async def test_a_recording_needs_its_permission_there_too(house: House, simulator: RingCentralSimulator) -> None:
    token = await login(house, "demo-lister")
    call = (await house.send("GET", LOG, token)).json["records"][0]
    answer = await follow(house, call["recording"]["contentUri"], token)
    assert (answer.status, answer.local, answer.json["permissionName"]) == (403, True, "ReadCallRecording")
    assert answer.member["operation"] == "readCallRecordingContent"
    assert asked_of(simulator, "media") == []


async def test_what_the_media_host_refuses_is_learned_for_both(simulator: RingCentralSimulator) -> None:
    async with open_house(simulator) as knowing:
        token = await login(knowing, "demo-lister")
        async with open_house(vendors={"ringcentral": entry(simulator)}) as house:  # has not seen the login
            first, again = await house.send("GET", CONTENT, token), await house.send("GET", CONTENT, token)
            platform = await house.send("GET", CONTENT.replace("/scopegate-media", ""), token)
    assert [(each.status, each.local) for each in (first, again, platform)] == [(403, False), (403, True), (403, True)]


def entry(simulator: RingCentralSimulator) -> Json:
    upstreams = {"upstream": simulator.base_url, "media_upstream": simulator.media_base_url}
    return {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, **upstreams}


async def test_other_paths_of_the_media_host_are_forwarded(house: House, simulator: RingCentralSimulator) -> None:
    token = await login(house, "demo-lister")
    answer = await house.send("GET", f"{MEDIA}/something/new?a=b", token)
    assert (answer.status, answer.decision) == (404, "not-applicable")
    assert asked_of(simulator, "media") == ["/something/new"]


async def test_off_by_one_setting(simulator: RingCentralSimulator) -> None:
    async with open_house(simulator, vendors={"ringcentral": {"rewrite_links": False}}) as house:
        token = await login(house, "demo-archiver")
        answer = await house.send("GET", LOG, token)
        assert {f"http://{urlsplit(link).netloc}" for link in links(answer.json)} == {simulator.base_url, simulator.media_base_url}
        assert (await house.send("GET", CONTENT, token)).status == 200  # the media host is served all the same


async def test_a_mount_by_host_alone(simulator: RingCentralSimulator) -> None:
    vendors = {"ringcentral": {"mount": {"host": "rc.proxy.test"}}}
    async with open_house(simulator, vendors=vendors, public_url="https://proxy.test:8443") as house:
        here = {"Host": "rc.proxy.test"}
        headers = {**here, **basic("demo-archiver", "demo-archiver-secret")}
        token = (await house.send("POST", "/restapi/oauth/token", headers=headers, form=GRANT)).json["access_token"]
        answer = await house.send("GET", "/restapi/v1.0/account/~/recording/500001", token, headers=here)
        content = answer.json["contentUri"]
        assert content == "https://rc.proxy.test:8443/scopegate-media/restapi/v1.0/account/37439510/recording/500001/content"
        again = await house.send("GET", urlsplit(content).path, token, headers=here)
        assert (again.status, again.body) == (200, recording_content(4096))


async def test_newvoicemedia_token_links_lead_to_the_token_host() -> None:
    simulator = NewVoiceMediaSimulator()
    async with open_house(simulator) as house:
        host = simulator.token_base_url
        simulator.reply_next(json_reply(200, {"0": f"{host}/Auth/connect/token", "1": f"{host}/Auth/other"}))
        answer = await house.send("GET", "/newvoicemedia/stats")
        assert answer.json == {
            "0": f"{house.url}/newvoicemedia/Auth/connect/token",
            "1": f"{host}/Auth/other",
        }


# --- RingCentral's own client


def use_python_client(server: str, app: str) -> bytes:
    platform = SDK(app, f"{app}-secret", server).platform()
    platform.login(jwt="demo-jwt-amy")
    page = json.loads(platform.get("/restapi/v1.0/account/~/call-log", {"perPage": 1}).text())
    following = json.loads(platform.get(page["navigation"]["nextPage"]["uri"]).text())
    content = platform.get(following["records"][0]["recording"]["contentUri"]).response().content
    assert isinstance(content, bytes)
    return content


async def test_the_python_client_follows_links(house: House, simulator: RingCentralSimulator) -> None:
    server = f"{house.url}/ringcentral"
    assert await asyncio.to_thread(use_python_client, server, "demo-archiver") == recording_content(4096)
    assert asked_of(simulator, "media") == [CONTENT.removeprefix(MEDIA).replace("500001", "500002")]
    assert len((await house.admin("/api/v1/decisions"))["decisions"]) == 4


async def test_the_python_client_is_denied_a_recording_by_its_link(house: House, simulator: RingCentralSimulator) -> None:
    with pytest.raises(ApiException) as caught:
        await asyncio.to_thread(use_python_client, f"{house.url}/ringcentral", "demo-lister")
    assert caught.value.api_response().response().status_code == 403
    assert "[ReadCallRecording]" in str(caught.value)
    assert asked_of(simulator, "media") == []
