from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.integration.cli.conftest import SlowVendor, WriteConfiguration
from tests.integration.cli.processes import FREE, PATIENCE_S, Running, scopegate, serving

PATH = "/ringcentral/restapi/v1.0/account/~/call-log"
CALLS = b"/ringcentral/restapi/v1.0/account/~/extension/~/greeting"


async def begin_upload(running: Running, vendor: SlowVendor) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head and the first half of ten bytes; return when the vendor has the head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"POST %s HTTP/1.1\r\nHost: proxy\r\nContent-Length: 10\r\n\r\n12345" % CALLS)
    async with asyncio.timeout(PATIENCE_S):
        await vendor.head_arrived.wait()
    return reader, writer


async def refuses_connections(port: int) -> None:
    """Return when nobody accepts connections any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()


async def test_tells_where_it_listens_and_writes_decisions_to_standard_output_only(
    configured: WriteConfiguration, vendor: SlowVendor
) -> None:
    async with serving(configured(vendor.url)) as running, aiohttp.ClientSession() as session:
        async with session.get(running.base_url + PATH, headers={"Authorization": "Bearer marked-token"}) as answer:
            assert (answer.status, answer.headers["Scopegate-Answered-By"]) == (200, "vendor")
        async with session.get(running.admin_url + "/readyz") as answer:
            assert answer.status == 200
        running.send(signal.SIGTERM)
        code, output, errors = await running.end()
    assert code == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["operation"], line["status"]) for line in lines] == [("readCompanyCallLog", 200)]
    assert "marked-token" not in output + errors + "".join(running.told)
    assert "call-log" not in errors


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limits where Linux tells them")
async def test_a_crash_leaves_no_memory_on_a_disk(configured: WriteConfiguration) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # what is started here may dump all it can, unless it forbids itself to
    try:
        await limits_are_low(configured)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


async def limits_are_low(configured: WriteConfiguration) -> None:
    async with serving(configured()) as running:
        limits = await asyncio.to_thread(Path(f"/proc/{running.process.pid}/limits").read_text)
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        running.send(signal.SIGTERM)
        await running.end()
    assert all(int(limit) <= 1 for limit in line.split()[4:6])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_ends_an_idle_proxy_with_0(configured: WriteConfiguration, number: signal.Signals) -> None:
    async with serving(configured()) as running:
        running.send(number)
        code, _, errors = await running.end()
    assert (code, errors.splitlines()[-1]) == (0, "scopegate: stopped; every request was finished")


async def test_an_upload_in_flight_is_finished(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url)) as running:
        reader, writer = await begin_upload(running, vendor)
        running.send(signal.SIGTERM)
        await running.error_line("stopping")
        await refuses_connections(running.port)
        writer.write(b"67890")
        answer = await reader.read()
        code, output, errors = await running.end()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n10")
    assert (code, json.loads(output)["request_bytes"]) == (0, 10)
    assert "every request was finished" in errors


async def test_a_second_signal_ends_at_once(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url, "limits: {shutdown_grace_s: 3600}")) as running:
        _, writer = await begin_upload(running, vendor)
        running.send(signal.SIGTERM)
        await running.error_line("stopping")
        running.send(signal.SIGTERM)
        code, output, errors = await running.end()
        writer.close()
    assert code == 0
    assert "1 connection(s) with a request under way were cut" in errors
    assert json.loads(output)["fault"] == "shutdown"


async def test_what_outlasts_the_grace_is_cut(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url, "limits: {shutdown_grace_s: 0.05}")) as running:
        _, writer = await begin_upload(running, vendor)
        running.send(signal.SIGTERM)
        code, _, errors = await running.end()
        writer.close()
    assert (code, "1 connection(s) with a request under way were cut" in errors) == (0, True)


async def test_sighup_takes_over_what_the_file_says_now(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    hidden = "clients: [{name: app, authenticate: {api_key_sha256: '%s'}, allow: []}]"
    file = configured(vendor.url)
    async with serving(file) as running, aiohttp.ClientSession() as session:
        running.send(signal.SIGHUP)
        assert "in force already" in await running.error_line("SIGHUP")
        configured(vendor.url, hidden % ("c4" * 32))
        running.send(signal.SIGHUP)
        line = await running.error_line("is in force")
        assert "changed: clients.app: added" in await running.error_line("changed")
        async with session.get(running.base_url + PATH) as answer:
            assert (answer.status, answer.headers["Scopegate-Reason"]) == (403, "policy_not_allowed")
        configured(vendor.url, f"mood: {'c4' * 32}")
        running.send(signal.SIGHUP)
        assert "was not taken over" in await running.error_line("ERROR")
        assert f"{file}:3:1: mood: unknown key" in await running.error_line("mood")
        async with session.get(running.admin_url + "/api/v1/config") as answer:
            config = await answer.json()
        assert config["last_reload_successful"] is False
        assert f"[{config['revision']}]" in line
        running.send(signal.SIGTERM)
        code, output, errors = await running.end()
    assert code == 0
    assert [json.loads(decision)["revision"] for decision in output.splitlines()] == [config["revision"]]
    assert "c4c4" not in output + errors + "".join(running.told)


async def test_a_changed_file_is_taken_over_without_a_signal(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url)) as running, aiohttp.ClientSession() as session:
        configured(vendor.url, "mode: 'off'")
        assert 'mode: "enforce" → "off"' in await running.error_line("changed")
        async with session.get(running.base_url + PATH) as answer:
            assert answer.headers["Scopegate-Decision"] == "off"


async def test_a_closed_standard_output_is_not_written_to(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    """Its number may be given to a socket: a decision line written there would end up in somebody's answer."""
    async with (
        serving(configured(vendor.url), prefix=("sh", "-c", 'exec "$@" >&-', "sh")) as running,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(3):
            async with session.get(running.base_url + PATH) as answer:
                assert (answer.status, await answer.text()) == (200, "0")
        async with session.get(running.admin_url + "/metrics") as answer:
            assert "scopegate_log_lines_dropped_total" not in await answer.text()


async def test_an_unreachable_vendor_is_a_502_problem(configured: WriteConfiguration, closed_port: int) -> None:
    async with (
        serving(configured(f"http://127.0.0.1:{closed_port}")) as running,
        aiohttp.ClientSession() as session,
        session.get(running.base_url + PATH) as answer,
    ):
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["Scopegate-Answered-By"]) == (502, "proxy")
    assert problem["reason"] == "upstream_refused"


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_in_use_is_one_clear_message(configured: WriteConfiguration, occupied: int, option: str) -> None:
    finished = scopegate("serve", "--config", str(configured()), *FREE, option, f"127.0.0.1:{occupied}")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.count("\n") == 1
    assert f"127.0.0.1:{occupied}" in finished.stderr
    assert option in finished.stderr


def test_every_problem_of_the_configuration_is_told(configured: WriteConfiguration) -> None:
    file = configured(more="listen: nowhere\nlimits: {max_headers: 1}\nunknown: 1")
    finished = scopegate("serve", "--config", str(file))
    assert (finished.returncode, finished.stdout) == (4, "")
    assert [line.split(": ")[1] for line in finished.stderr.splitlines()] == ["listen", "limits.max_headers", "unknown"]


def test_a_missing_file_is_an_invalid_configuration(configured: WriteConfiguration) -> None:
    finished = scopegate("serve", "--config", str(configured().with_name("none.yaml")))
    assert (finished.returncode, "none.yaml:1:1: cannot be read" in finished.stderr) == (4, True)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "127.0.0.1"])
def test_a_wrong_address_is_a_usage_error(configured: WriteConfiguration, address: str) -> None:
    finished = scopegate("serve", "--config", str(configured()), "--listen", address)
    assert (finished.returncode, "must be host:port" in finished.stderr) == (2, True)
