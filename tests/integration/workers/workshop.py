"""A real `serve --workers N` in front of a simulated vendor, and connections to each of its workers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Message
from tests.fakes.waiting import eventually
from tests.integration.cli.processes import Running, serving
from tests.integration.house import basic

MOUNT = "/ringcentral"
CALL_LOG, EXTENSION = f"{MOUNT}/restapi/v1.0/account/~/call-log", f"{MOUNT}/restapi/v1.0/account/~/extension/~"
LOGIN, REVOKE = f"{MOUNT}/restapi/oauth/token", f"{MOUNT}/restapi/oauth/revoke"
_READY = re.compile(r"worker (\d+) is ready, process (\d+)")


def get(target: str, token: str = "", fields: str = "") -> bytes:
    field_line = f"Authorization: Bearer {token}\r\n{fields}" if token else ""
    return f"GET {target} HTTP/1.1\r\nHost: proxy\r\n{field_line}\r\n".encode()


def post(target: str, form: str, fields: str = "") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: proxy\r\nAuthorization: {basic('reader')['Authorization']}\r\n{fields}"
    return f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode()


async def log_in(client: RawClient, fields: str = "") -> str:
    """Log in through this connection; return the token, which holds ReadAccounts only."""
    await client.send(post(LOGIN, f"grant_type={JWT_GRANT}&assertion=demo-jwt-amy", fields))
    token = json.loads((await client.answer("POST")).body)["access_token"]
    assert isinstance(token, str)
    return token


async def revoke(client: RawClient, token: str) -> None:
    await client.send(post(REVOKE, f"token={token}"))
    assert (await client.answer("POST")).status == 200


async def ask(client: RawClient, token: str, target: str = CALL_LOG, fields: str = "") -> Message:
    await client.send(get(target, token, fields))
    return await client.answer()


def told(answer: Message) -> tuple[int, str, str]:
    return answer.status, answer.get("Scopegate-Decision"), answer.get("Scopegate-Answered-By")


DENIED = (403, "deny", "proxy")


@dataclass
class Workshop:
    """One running supervisor with its workers."""

    running: Running
    simulator: RingCentralSimulator
    output: Path
    file: Path
    clients: list[RawClient] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)

    async def connect(self) -> RawClient:
        self.clients.append(await connect(self.running.port))
        return self.clients[-1]

    async def connect_to_each(self, count: int = 2) -> list[RawClient]:
        """Return a connection to each worker, in the order of their numbers."""
        found: dict[str, RawClient] = {}
        before = await self.connections()
        while len(found) < count:
            client = await self.connect()
            now = await self._one_more(before)
            found[next(worker for worker in now if now[worker] > before[worker])] = client
            before = now
        return [found[str(number)] for number in range(1, count + 1)]

    async def _one_more(self, before: dict[str, float]) -> dict[str, float]:
        now: dict[str, float] = {}

        async def accepted() -> bool:
            now.update(await self.connections())
            return sum(now.values()) > sum(before.values())

        await eventually(accepted)
        return now

    async def connections(self) -> dict[str, float]:
        return {key[0]: value for key, value in (await self.values("scopegate_worker_connections", "worker")).items()}

    # --- the admin listener

    async def admin(self, path: str, method: str = "GET", *, allowed: tuple[int, ...] = (200,)) -> Message:
        client = await connect(int(self.running.admin_url.rpartition(":")[2]))
        await client.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await client.answer(method)
        client.close()
        assert answer.status in allowed, answer
        return answer

    async def json(self, path: str, *, allowed: tuple[int, ...] = (200,)) -> Any:
        return json.loads((await self.admin(path, allowed=allowed)).body)

    async def values(self, name: str, by: str = "") -> dict[tuple[str, ...], float]:
        """Return the samples of a metric, summed by the labels that `by` names."""
        page = (await self.admin("/metrics")).body.decode()
        found: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == name:
                    key = tuple(sample.labels[label] for label in by.split())
                    found[key] = found.get(key, 0) + sample.value
        return found

    async def total(self, name: str) -> float:
        return sum((await self.values(name)).values())

    async def is_ready(self, number: str) -> int:
        """Wait until a worker tells that it is ready; return its process."""
        while number not in self.pids:
            found = _READY.search(await self.running.error_line("is ready, process"))
            assert found is not None
            self.pids[found[1]] = int(found[2])
        return self.pids[number]

    def lines(self) -> list[dict[str, Any]]:
        """Return the decisions among the lines that were written."""
        lines = [json.loads(line) for line in self.output.read_bytes().splitlines()]
        return [line for line in lines if line["event"] == "decision"]


@asynccontextmanager
async def open_workshop(
    directory: Path, workers: int = 2, *, vendor: Mapping[str, object] | None = None, **top: object
) -> AsyncIterator[Workshop]:
    """Start the vendor and the proxy; `vendor` are settings of the vendor, `top` top-level ones."""
    simulator = RingCentralSimulator(apps=[RingCentralApp("reader", "secret", "ReadAccounts")])
    async with simulator:
        file, output = directory / "scopegate.yaml", directory / "lines"
        file.write_text(json.dumps(_configuration(simulator.base_url, vendor or {}, top)))
        prefix = ("sh", "-c", 'output=$1; shift; exec "$@" > "$output"', "sh", str(output))
        async with serving(file, "--workers", str(workers), prefix=prefix) as running:
            shop = Workshop(running, simulator, output, file)
            for line in running.told:
                if found := _READY.search(line):
                    shop.pids[found[1]] = int(found[2])
            try:
                yield shop
            finally:
                for client in shop.clients:
                    client.close()


def _configuration(upstream: str, vendor: Mapping[str, object], top: Mapping[str, object]) -> dict[str, object]:
    return {"vendors": {"ringcentral": {"kind": "ringcentral", "mount": {"path": MOUNT}, "upstream": upstream, **vendor}}, **top}
