"""Asking a vendor what a token holds whose login was not seen: beside the requests, never on their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
from yarl import URL

from proxy.credentials import Fingerprint, Secret
from proxy.knowledge.discovery import FAILED, KNOWN, LEARNED, NOTHING, REFUSED, RESULTS, Schedule
from proxy.knowledge.learning import Learner, Moment
from proxy.telemetry.labels import Reading
from proxy.tls.certificates import LiveContext
from proxy.vendors.base import Vendor

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 65_536
PAUSE_S: Final = 60.0
"""How long a vendor that answers 429 is left alone where it does not say."""


class Discoveries:
    """What was asked, by vendor, and what came of it. It outlives a change of the configuration."""

    def __init__(self, make_schedule: Callable[[str], Schedule] = lambda _: Schedule(0.0)) -> None:
        self._make_schedule = make_schedule
        self._schedules: dict[str, Schedule] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def schedule(self, vendor: str, lifetime: float) -> Schedule:
        """Return a vendor's schedule, making it where it is missing."""
        schedule = self._schedules.get(vendor)
        if schedule is None:
            schedule = self._schedules[vendor] = self._make_schedule(vendor)
        schedule.lifetime = lifetime
        return schedule

    def readings(self) -> tuple[Reading, ...]:
        """Return what is told about it on the metrics page."""
        text = "Tokens whose scopes the vendor was to be asked for, by what came of it."
        return (Reading("scopegate_discoveries_total", text, self._values, ("vendor", "result"), counter=True),)

    def _values(self) -> Mapping[tuple[str, ...], float]:
        return {(name, result): each.counts[result] for name, each in self._schedules.items() for result in RESULTS}

    def run(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Discoverer:
    """Asks one vendor at `upstream` (an origin). `tls` verifies its certificate; None for plain HTTP."""

    def __init__(
        self,
        vendor: Vendor,
        learner: Learner,
        moment: Callable[[], Moment],
        upstream: str,
        tls: LiveContext | None,
        lifetime: float,
        discoveries: Discoveries,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._vendor = vendor
        self._learner = learner
        self._moment = moment
        self._url = URL(upstream + vendor.discovery_path(), encoded=True)
        self._tls = tls
        self._schedule = discoveries.schedule(vendor.name, lifetime)
        self._discoveries = discoveries
        self._on_bug = on_bug

    def consider(self, token: Secret, fingerprint: Fingerprint, trace: bytes = b"") -> None:
        """Ask about a token of which nothing is known, if it is time; returns at once. `trace`: the request's lines for the vendor."""
        if self._schedule.take(fingerprint, self._moment().now):
            self._discoveries.run(asyncio.get_running_loop().create_task(self._discover(token, fingerprint, trace)))

    async def _discover(self, token: Secret, fingerprint: Fingerprint, trace: bytes) -> None:
        try:
            self._schedule.count(await self._result(token, fingerprint, trace))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):  # ValueError: what a server can make aiohttp stumble over
            self._schedule.count(FAILED)
        except Exception as bug:
            self._schedule.count(FAILED)
            self._on_bug(bug)

    async def _result(self, token: Secret, fingerprint: Fingerprint, trace: bytes) -> str:
        status, retry_after, body = await self._ask(token, trace)
        if status == 429:
            self._schedule.pause(self._moment().now, retry_after)
        if status != 200:
            return REFUSED
        if body is None:
            return FAILED
        issued = self._vendor.read_discovery(token, body, self._schedule.lifetime)
        if issued is None:
            return NOTHING
        return LEARNED if self._learner.discovered(issued, fingerprint, self._moment()) else KNOWN

    async def _ask(self, token: Secret, trace: bytes) -> tuple[int, float, bytes | None]:
        """Return status, Retry-After in seconds, and the body, None where it is too large. A connection of its own, used once."""
        headers = {"Authorization": f"Bearer {token.reveal().decode('ascii')}", "Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= dict(line.split(": ", 1) for line in trace.decode("ascii").splitlines())
        connector = aiohttp.TCPConnector(ssl=self._tls.context if self._tls is not None else True, force_close=True)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            ) as session,
            session.get(self._url, headers=headers, allow_redirects=False) as response,
        ):
            return response.status, _seconds(response.headers.get("Retry-After", "")), await _bounded(response.content)


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    body = b""
    while piece := await content.read(MAX_ANSWER_BYTES):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return body


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        return max(float(int(text)), 1.0) if text.isascii() else PAUSE_S
    return PAUSE_S
