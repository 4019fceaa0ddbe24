from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
from dataclasses import replace

import pytest

from proxy.cli.demo_world import ADMIN, TRAFFIC, choose, configuration, demo_world
from proxy.cli.demonstrating import tour
from proxy.cli.tour import Answer, broken_promises
from proxy.cli.tour_steps import STEPS, Promise
from proxy.settings import Address
from tests.integration.cli.processes import FREE, PATIENCE_S, read_json, scopegate, started

ANYWHERE = Address("127.0.0.1", 0)


def test_the_tour_keeps_every_promise() -> None:
    finished = scopegate("demo", "--tour", *FREE)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == f"scopegate: all {len(STEPS)} answers are the promised ones\n"
    assert finished.stdout.count("as promised: ") == len(STEPS)
    assert finished.stdout.count("Scopegate-Decision-Id: ") == len(STEPS) - 1
    assert "SIMULATED-" not in finished.stdout


def test_the_tour_as_json() -> None:
    finished = scopegate("demo", "--tour", *FREE, "--format", "json")
    steps = read_json(finished)
    assert (finished.returncode, len(steps), all(step["kept"] for step in steps)) == (0, len(STEPS), True)
    by_proxy = [step["answer"] for step in steps if step["answer"]["answered_by"] == "proxy"]
    assert [(each["status"], each["decision"], each["vendor_contacted"]) for each in by_proxy] == [
        (403, "deny", False),
        (403, "deny", False),
        (403, "deny", False),
        (400, "deny", False),
        (403, "deny", False),
        (400, "not-applicable", False),
    ]


async def test_one_broken_promise_fails_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(STEPS[1], promise=replace(STEPS[1].promise, status=200))
    async with demo_world(ANYWHERE, ANYWHERE, None) as world:
        assert await tour(world, [STEPS[0], wrong], as_json=False) == 1
    told = capsys.readouterr()
    assert told.err == "scopegate: 1 of 2 answers are not the promised ones: 2\n"
    assert "NOT as promised: status 403 instead of 200" in told.out


KEPT = Promise(403, "proxy", "deny", vendor_asked=False, holds=("CMN-401",))
ANSWER = Answer(403, "proxy", "deny", "id", False, "{CMN-401}")


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (ANSWER, []),
        (replace(ANSWER, status=502), ["status 502 instead of 403"]),
        (replace(ANSWER, answered_by="vendor"), ["answered by vendor instead of proxy"]),
        (replace(ANSWER, decision="permit"), ["decision permit instead of deny"]),
        (replace(ANSWER, decision_id=""), ["no decision id"]),
        (replace(ANSWER, vendor_asked=True), ["a vendor was contacted"]),
        (replace(ANSWER, body=""), ["the body lacks CMN-401"]),
    ],
)
def test_what_breaks_a_promise(answer: Answer, broken: list[str]) -> None:
    assert list(broken_promises(KEPT, answer)) == broken


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
async def test_the_printed_lines_work_when_pasted() -> None:
    async with started("demo", *FREE) as running:
        await running.listening()
        running.told.clear()
        await running.output_line("Ctrl-C ends the demo")
        shell = await asyncio.create_subprocess_exec(
            "bash", "-u", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await shell.communicate("".join(running.told).encode())
        running.send(signal.SIGINT)
        code, _, _ = await running.end()
    answers = [step.promise.status for step in STEPS if not step.request.keep_as and not step.request.show]
    assert (code, errors.decode()) == (0, "")
    assert [int(line.split()[1]) for line in output.decode().splitlines() if line.startswith("HTTP/1.1 ")] == answers
    assert STEPS[-1].promise.holds[0] in output.decode()


async def test_it_ends_with_a_signal_and_writes_one_line_per_request() -> None:
    async with started("demo", *FREE, "--format", "json") as running:
        await running.listening()
        await running.output_line("{")
        while running.told[-1] != "}\n":
            await running.output_line("")
        document = json.loads("".join(line for line in running.told if "listening on" not in line))
        assert document["base_url"] == running.base_url
        assert len(document["steps"]) == len(STEPS)
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET /ringcentral/restapi/v1.0/account/~/call-log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert "readCompanyCallLog" in await running.output_line("call-log")
        writer.close()
        running.send(signal.SIGTERM)
        code, _, errors = await running.end()
    assert (code, "stopped" in errors) == (0, True)


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_that_was_asked_for_and_is_in_use(occupied: int, option: str) -> None:
    for more in ((), ("--tour",)):
        finished = scopegate("demo", *FREE, option, f"127.0.0.1:{occupied}", *more)
        assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (1, "", 1)
        assert f"127.0.0.1:{occupied}" in finished.stderr


def test_a_default_address_in_use_makes_way_for_a_free_port(occupied: int, capsys: pytest.CaptureFixture[str]) -> None:
    taken = Address("127.0.0.1", occupied)
    assert choose(None, taken) == ANYWHERE
    assert capsys.readouterr().err == f"scopegate: {taken} is in use; taking a free port\n"
    assert choose(taken, TRAFFIC) == taken


def test_a_default_address_that_the_other_listener_asked_for_makes_way(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = Address("127.0.0.1", probe.getsockname()[1])
    assert choose(None, free, free) == ANYWHERE
    assert "taking a free port" in capsys.readouterr().err


def test_one_address_for_two_listeners_is_a_usage_error() -> None:
    finished = scopegate("demo", "--listen", "127.0.0.1:7", "--admin", "127.0.0.1:7")
    assert (finished.returncode, "two addresses" in finished.stderr) == (2, True)


def test_a_default_address_that_is_free_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = Address("127.0.0.1", probe.getsockname()[1])
    assert choose(None, free) == free
    assert capsys.readouterr().err == ""


def test_the_default_addresses_are_the_documented_ones() -> None:
    assert (str(TRAFFIC), str(ADMIN)) == ("127.0.0.1:8080", "127.0.0.1:9090")


def test_the_demo_configuration_knows_three_vendors() -> None:
    names = ("RINGCENTRAL", "RINGCENTRAL_MEDIA", "EIGHTBYEIGHT", "NEWVOICEMEDIA", "NEWVOICEMEDIA_TOKENS")
    loaded = configuration({"LISTEN": "127.0.0.1:1", "ADMIN": "127.0.0.1:2", **dict.fromkeys(names, "http://127.0.0.1:3")})
    assert set(loaded.settings.vendors) == {"ringcentral", "8x8", "newvoicemedia"}


def test_other_machines_are_not_let_in_unasked() -> None:
    finished = scopegate("demo", "--listen", "0.0.0.0:0")
    assert (finished.returncode, "--allow-remote" in finished.stderr) == (2, True)
