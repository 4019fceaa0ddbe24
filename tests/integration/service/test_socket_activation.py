"""Sockets that outlive the process: a real `scopegate serve` accepts from what it is handed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.client import RawClient, connect
from tests.integration.cli.conftest import SlowVendor, WriteConfiguration
from tests.integration.cli.processes import COMMAND, FREE, PATIENCE_S, ROOT, Running, environment, started
from tests.integration.service.handing import Handed, handing, listening, url_of

PATH = "/nobody"
REQUEST = b"GET /nobody HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n"
both_ways = pytest.mark.parametrize("workers", ["1", "2"])
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def held() -> Iterator[Handed]:
    """A traffic and an admin socket."""
    with listening() as traffic, listening() as admin:
        yield (("traffic", traffic), ("admin", admin))


async def answer_to(client: RawClient) -> int:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await client.answer()).status
    finally:
        client.close()


async def ended(running: Running) -> None:
    running.send(signal.SIGTERM)
    code, _, errors = await running.end()
    assert code == 0, errors


@both_ways
async def test_it_serves_on_the_sockets_it_is_handed(configuration: Path, held: Handed, workers: str) -> None:
    (_, traffic), (_, admin) = held
    async with handing(configuration, held, "--workers", workers) as running, aiohttp.ClientSession() as session:
        await running.listening()
        assert (running.base_url, running.admin_url) == (url_of(traffic), url_of(admin))
        async with session.get(running.base_url + PATH) as answer:
            assert answer.headers["Scopegate-Answered-By"] == "proxy"
        async with session.get(running.admin_url + "/readyz") as answer:
            assert answer.status == 200
        await ended(running)


@both_ways
async def test_no_connection_is_lost_while_it_is_restarted(configuration: Path, held: Handed, workers: str) -> None:
    """One connects before the first process, one while there is none, one when the second has begun to start."""
    port = held[0][1].getsockname()[1]
    early = await connect(port)
    await early.send(REQUEST)
    async with handing(configuration, held, "--workers", workers) as running:
        await running.listening()
        assert await answer_to(early) == 404
        await ended(running)
    between = [await connect(port) for _ in range(5)]
    for client in between:
        await client.send(REQUEST)
    async with handing(configuration, held, "--workers", workers) as running:
        late = await connect(port)
        await late.send(REQUEST)
        await running.listening()
        assert [await answer_to(client) for client in (*between, late)] == [404] * 6
        await ended(running)


@both_ways
async def test_a_connection_that_comes_while_it_drains_is_answered_by_the_next(
    configured: WriteConfiguration, vendor: SlowVendor, held: Handed, workers: str
) -> None:
    file = configured(vendor.url)
    port = held[0][1].getsockname()[1]
    async with handing(file, held, "--workers", workers) as running:
        await running.listening()
        upload = await connect(port)
        await upload.send(b"POST /ringcentral/restapi/v1.0/account/~/x HTTP/1.1\r\nHost: proxy\r\nContent-Length: 4\r\n\r\n12")
        async with asyncio.timeout(PATIENCE_S):
            await vendor.head_arrived.wait()
        running.send(signal.SIGTERM)
        await running.error_line("stopping")
        late = await connect(port)
        await late.send(REQUEST)
        await upload.send(b"34")
        assert await answer_to(upload) == 200
        await running.end()
    async with handing(file, held, "--workers", workers) as running:
        await running.listening()
        assert await answer_to(late) == 404


async def test_several_sockets_may_have_one_name(configuration: Path, held: Handed) -> None:
    with listening() as other:
        async with handing(configuration, (*held, ("traffic", other))) as running, aiohttp.ClientSession() as session:
            await running.listening()
            for each in (held[0][1], other):
                async with session.get(url_of(each) + PATH) as answer:
                    assert answer.status == 404
            await ended(running)


async def test_one_socket_may_be_handed_over_and_the_other_opened_here(configuration: Path, held: Handed) -> None:
    async with handing(configuration, held[:1]) as running, aiohttp.ClientSession() as session:
        await running.listening()
        assert running.base_url == url_of(held[0][1])
        async with session.get(running.admin_url + "/livez") as answer:
            assert answer.status == 200


async def test_gateways_ask_on_a_socket_that_is_handed_over(configured: WriteConfiguration, held: Handed) -> None:
    file = configured(more='gateway_adapters: {listen: "127.0.0.1:1"}')
    with listening() as gateways:
        async with handing(file, (*held, ("gateways", gateways))) as running, aiohttp.ClientSession() as session:
            await running.listening()
            async with session.get(url_of(gateways) + "/nothing") as answer:
                assert (answer.status, (await answer.json(content_type=None))["reason"]) == (404, "not_found")


async def refusal(configuration: Path, handed: Handed, *arguments: str) -> tuple[int, str]:
    async with handing(configuration, handed, *arguments) as running:
        code, output, errors = await running.end()
    assert output == ""
    assert errors.count("\n") == 1, errors
    return code, errors


@pytest.mark.parametrize("name", ["scopegate.socket", "unknown", "", "Traffic"])
async def test_a_name_it_does_not_know_is_one_clear_message(configuration: Path, held: Handed, name: str) -> None:
    code, told = await refusal(configuration, ((name, held[0][1]), held[1]))
    assert (code, "FileDescriptorName=" in told, "traffic, admin, gateways" in told) == (1, True, True)


@pytest.mark.parametrize("kind", ["datagram", "unix", "connected", "file"])
async def test_something_else_than_a_listening_tcp_socket_is_refused(configuration: Path, held: Handed, kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        code, told = await refusal(configuration, (held[0], ("admin", something_else(kind, tmp_path, stack, held[0][1]))))
    assert code == 1
    assert "admin" in told
    assert {"datagram": "TCP", "unix": "TCP", "connected": "Accept=no", "file": "not a socket"}[kind] in told


class NoSocket(socket.socket):
    """A file, where a socket should be."""

    def fileno(self) -> int:
        return self.number

    number = -1


def something_else(kind: str, directory: Path, stack: ExitStack, listening_one: socket.socket) -> socket.socket:
    match kind:
        case "datagram":
            return stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        case "unix":
            made = stack.enter_context(socket.socket(socket.AF_UNIX))
            made.bind(str(directory / "socket"))
            made.listen()
            return made
        case "connected":
            return stack.enter_context(socket.create_connection(listening_one.getsockname()))
        case _:
            made = stack.enter_context(NoSocket())
            made.number = stack.enter_context((directory / "file").open("w")).fileno()
            return made


async def test_an_admin_socket_that_others_reach_needs_a_guard(configuration: Path, held: Handed) -> None:
    with listening("0.0.0.0") as exposed:
        code, told = await refusal(configuration, (*held, ("admin", exposed)))
    assert code == 4
    assert "admin.token_sha256" in told


@pytest.mark.parametrize("option", ["--listen", "--admin"])
async def test_an_address_on_the_command_line_and_a_socket_are_one_too_many(configuration: Path, held: Handed, option: str) -> None:
    code, told = await refusal(configuration, held, option, "127.0.0.1:0")
    assert (code, f"remove {option}" in told) == (4, True)


async def test_a_socket_for_gateways_without_gateways_is_refused(configuration: Path, held: Handed) -> None:
    code, told = await refusal(configuration, (("gateways", held[0][1]),))
    assert (code, "gateway_adapters" in told) == (4, True)


async def test_what_is_meant_for_another_process_is_left_alone(configuration: Path) -> None:
    other = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "traffic:admin"}
    async with started("serve", "--config", str(configuration), *FREE, extra=other) as running:
        await running.listening()


async def test_systemds_own_tool_can_start_it(configuration: Path) -> None:
    tool = shutil.which("systemd-socket-activate")
    if tool is None and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip("systemd-socket-activate is missing (Debian: systemd)")
    assert tool is not None
    with listening() as one, listening() as two:
        ports = [each.getsockname()[1] for each in (one, two)]
    listen = [part for port in ports for part in ("-l", f"127.0.0.1:{port}")]
    own = [f"--setenv={name}={value}" for name, value in environment().items() if name in ("PATH", "PYTHONPATH")]
    process = await asyncio.create_subprocess_exec(
        tool, *listen, *own, "--fdname=traffic:admin", *COMMAND, "serve", "--config", str(configuration),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Running(process, [])
    try:
        await running.error_line(f"Listening on 127.0.0.1:{ports[1]}")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{ports[0]}{PATH}") as answer:
            assert answer.status == 404
        running.send(signal.SIGTERM)
        assert (await running.end())[0] == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
