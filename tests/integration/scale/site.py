"""Two replicas from deploy/scale/scopegate.yaml, a real Valkey between them, a simulated vendor behind, a real load balancer in front."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral_accounts import App
from tests.fakes.client import connect
from tests.fakes.messages import Message
from tests.fakes.valkey import Valkey, valkey
from tests.fakes.waiting import eventually
from tests.integration.cli.processes import Running, serving
from tests.integration.scale.balancers import EXAMPLES, Ports, balancing, free_port
from tests.integration.scale.load import CALL_LOG, PATIENCE_S, Load, request

_ADMIN_TOKEN: Final = "a token for the tests"
_ENVIRONMENT: Final = {
    "SCOPEGATE_SHARED_KEY": "ab" * 32,
    "SCOPEGATE_ADMIN_TOKEN_SHA256": hashlib.sha256(_ADMIN_TOKEN.encode()).hexdigest(),
}
JOURNAL: Final = 200_000


class Replica:
    """One place behind the load balancer, and the process that holds it now."""

    def __init__(self, configuration: Path) -> None:
        self.ports = Ports(free_port(), free_port())
        self._configuration = configuration
        self._stack = AsyncExitStack()
        self._running: Running | None = None

    async def start(self) -> None:
        """Start a process, and wait until it listens."""
        addresses = ("--listen", f"127.0.0.1:{self.ports.traffic}", "--admin", f"127.0.0.1:{self.ports.admin}")
        self._running = await self._stack.enter_async_context(
            serving(self._configuration, *addresses, extra=_ENVIRONMENT, patience_s=PATIENCE_S)
        )

    async def kill(self) -> None:
        """End the process as a crash does."""
        assert self._running is not None
        self._running.send(signal.SIGKILL)
        await self._running.end()

    async def drain(self) -> str:
        """Tell the process to stop, and see that it serves on until the load balancer has noticed; return its last words."""
        assert self._running is not None
        self._running.send(signal.SIGTERM)
        await self._running.error_line("still serving")
        assert (await self.admin("/readyz"))[0] == 503
        answer = await self.ask("unknown")
        assert (answer.get("Scopegate-Answered-By"), answer.get("Connection")) == ("vendor", "close")
        code, _, errors = await self._running.end()
        assert code == 0
        return errors.splitlines()[-1]

    async def close(self) -> None:
        await self._stack.aclose()

    async def admin(self, path: str) -> tuple[int, str]:
        """Ask the admin listener."""
        headers = {"Authorization": f"Bearer {_ADMIN_TOKEN}"}
        url = f"http://127.0.0.1:{self.ports.admin}{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def number(self, metric: str) -> float:
        """Return the sum of a metric's series."""
        _, page = await self.admin("/metrics")
        return sum(float(value) for value in re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE))

    async def says(self, state: str) -> None:
        """Wait until it says that it is `ready` or `degraded`."""

        async def it_does() -> bool:
            return f'"status": "{state}"' in (await self.admin("/readyz"))[1].replace('":"', '": "')

        await eventually(it_does, PATIENCE_S)

    async def gets_requests(self) -> None:
        """Wait until the load balancer sends requests here."""
        before = await self.number("scopegate_requests_total")

        async def more() -> bool:
            return await self.number("scopegate_requests_total") > before

        await eventually(more, PATIENCE_S)

    async def ask(self, token: str) -> Message:
        """Ask, past the load balancer, for what the token may not have."""
        client = await connect(self.ports.traffic)
        await client.send(request("GET", CALL_LOG, f"Bearer {token}"))
        answer = await client.answer()
        client.close()
        return answer

    async def denies_at_once(self, tokens: list[str]) -> None:
        """Check that it knows what every one of these tokens lacks, without a login and without asking the vendor."""
        answers = [await self.ask(token) for token in tokens]
        assert [(answer.status, answer.get("Scopegate-Answered-By")) for answer in answers] == [(403, "proxy")] * len(tokens)


class Site:
    """All of it. `load` is what apps send through the load balancer."""

    def __init__(self, replicas: list[Replica], store: Valkey, vendor: RingCentralSimulator, load: Load) -> None:
        self.replicas = replicas
        self.store = store
        self.vendor = vendor
        self.load = load

    async def same_knowledge(self) -> None:
        """Wait until all replicas know equally many tokens."""

        async def so() -> bool:
            counts = {await replica.number("scopegate_grant_cache_entries") for replica in self.replicas}
            return len(counts) == 1

        await eventually(so, PATIENCE_S)


@asynccontextmanager
async def open_site(directory: Path, balancer: str) -> AsyncIterator[Site]:
    """Start everything; the load runs until the end of the test, which checks what became of it."""
    vendor = RingCentralSimulator(apps=[App("reader", "secret", "ReadAccounts SMS")], journal_size=JOURNAL)
    async with valkey() as store, vendor, AsyncExitStack() as stack:
        replicas = [Replica(_configuration(directory, vendor, store)) for _ in range(2)]
        for replica in replicas:
            stack.push_async_callback(replica.close)
        await asyncio.gather(*(replica.start() for replica in replicas))
        port = await stack.enter_async_context(balancing(balancer, directory, [replica.ports for replica in replicas]))
        load = await stack.enter_async_context(Load(port, vendor.journal))
        yield Site(replicas, store, vendor, load)


def _configuration(directory: Path, vendor: RingCentralSimulator, store: Valkey) -> Path:
    text = (EXAMPLES / "scopegate.yaml").read_text(encoding="utf-8")
    for there, here in (("https://platform.ringcentral.com", vendor.base_url), ("redis://valkey.internal:6379/0", store.url)):
        assert there in text
        text = text.replace(there, here)
    file = directory / "scopegate.yaml"
    file.write_text(text, encoding="utf-8")
    return file
