"""One scrape: a snapshot taken on the event loop, rendered in a thread, so that traffic never waits for a page.

What writes pages is imported for the first scrape, there too: a proxy that nobody scrapes needs none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from proxy.telemetry.metrics import Metrics, Snapshot

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from proxy.telemetry.page import Page


class Exposition:
    """Answers scrapes, one at a time: a second scraper waits instead of taking another thread.

    `collectors` is called for each page and returns what stands on it besides `metrics`.
    """

    def __init__(self, metrics: Metrics, collectors: Callable[[], Iterable[Collector]] = tuple) -> None:
        self._metrics = metrics
        self._collectors = collectors
        self._turn = asyncio.Lock()

    async def scrape(self, accept: str = "", *, compress: bool = False) -> Page:
        """Return the page as of now."""
        async with self._turn:
            return await asyncio.to_thread(self._page, await self._snapshot(), accept, compress)

    def _page(self, snapshot: Snapshot, accept: str, compress: bool) -> Page:
        from proxy.telemetry.page import render  # noqa: PLC0415 - a megabyte, for whoever scrapes

        return render(snapshot, self._collectors(), accept, compress)

    async def _snapshot(self) -> Snapshot:
        """Return the numbers of this process."""
        return self._metrics.snapshot()


def process_collectors() -> Iterable[Collector]:
    """Return the collectors of the process itself (CPU, memory, file descriptors, garbage collection)."""
    from proxy.telemetry.page import process_collectors as make  # noqa: PLC0415 - as above

    return make()
