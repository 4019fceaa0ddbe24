from __future__ import annotations

import asyncio
import socket
import threading

from tests.integration.cli.conftest import WriteConfiguration
from tests.integration.cli.processes import scopegate, serving


async def test_a_proxy_that_serves_lives_and_is_ready(configured: WriteConfiguration) -> None:
    async with serving(configured()) as running:
        told = [await asyncio.to_thread(scopegate, "health", "--admin", running.admin_url, *ready) for ready in ([], ["--ready"])]
    assert [(one.returncode, one.stdout.strip()) for one in told] == [(0, "ok"), (0, "ready")]


async def test_a_proxy_that_is_about_to_end_lives_and_is_not_ready(configured: WriteConfiguration) -> None:
    async with serving(configured(more="limits: {shutdown_delay_s: 60}")) as running:
        running.process.terminate()
        await running.error_line("stopping")
        told = [await asyncio.to_thread(scopegate, "health", "--admin", running.admin_url, *ready) for ready in ([], ["--ready"])]
    assert [(one.returncode, one.stderr) for one in told] == [(0, ""), (1, "scopegate: not ready\n")]


def test_where_nobody_answers_it_says_so(closed_port: int) -> None:
    finished = scopegate("health", "--admin", f"http://127.0.0.1:{closed_port}")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert f"no admin listener answers at http://127.0.0.1:{closed_port}" in finished.stderr


def test_what_is_no_admin_listener_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(20)
        address = f"127.0.0.1:{other.getsockname()[1]}"

        def answer() -> None:
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        finished = scopegate("health", "--admin", address)
        thread.join()
    assert (finished.returncode, "no admin listener of scopegate" in finished.stderr) == (1, True)
