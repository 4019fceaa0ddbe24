"""A real Prometheus that scrapes proxies on loopback, and its HTTP API."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.fakes.waiting import eventually
from tests.integration.gateways.real import free_port

JOB: Final = "scopegate"
Series = dict[str, Any]


def binary() -> str:
    """Return where Prometheus is; skip the test where there is none, except in CI."""
    found = shutil.which("prometheus")
    if found is None and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip("prometheus is missing (Debian: prometheus): no query of a dashboard or rule was evaluated")
    assert found is not None, "prometheus is missing"
    return found


class Prometheus:
    """Its HTTP API. Times are seconds since 1970."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def _ask(self, path: str, **form: str | list[str]) -> Any:
        pairs = [(name, each) for name, value in form.items() for each in ([value] if isinstance(value, str) else value)]
        async with self._session.post(f"{self.url}/api/v1/{path}", data=pairs) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]

    async def now(self, expr: str) -> list[Series]:
        """Evaluate an expression now; raise ValueError with Prometheus' words where it cannot."""
        data = await self._ask("query", query=expr)
        return [{"metric": {}, "value": data["result"]}] if data["resultType"] in {"scalar", "string"} else list(data["result"])

    async def over(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate it at many moments; raise ValueError as `now` does."""
        data = await self._ask("query_range", query=expr, start=str(start), end=str(end), step=str(step))
        return list(data["result"])

    async def values(self, metric: str, label: str) -> list[str]:
        """Return the values of a label, as a variable of Grafana lists them."""
        async with self._session.get(f"{self.url}/api/v1/label/{label}/values", params={"match[]": metric}) as response:
            return sorted((await response.json())["data"])

    async def series(self, selector: str) -> list[dict[str, str]]:
        """Return the labels of every series that a selector finds."""
        return list(await self._ask("series", **{"match[]": selector}))

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule that is loaded."""
        async with self._session.get(f"{self.url}/api/v1/rules") as response:
            groups = (await response.json())["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def scraped(self) -> int:
        """How often it has scraped every proxy so far."""
        (least,) = await self.now(f'min(sum_over_time(up{{job="{JOB}"}}[1h]))')
        return int(least["value"][1])

    async def up(self) -> int:
        """How many of the proxies it could scrape."""
        return len(await self.now(f'up{{job="{JOB}"}} == 1'))


def settings(targets: Iterable[str], own: str, rules: Sequence[Path], interval: str) -> dict[str, Any]:
    """Return its configuration: the proxies, and itself, as a program whose numbers must not be mixed with theirs."""
    proxies = [{"targets": [address]} for address in targets]
    jobs = [{"job_name": JOB, "static_configs": proxies}, {"job_name": "prometheus", "static_configs": [{"targets": [own]}]}]
    every = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    return {"global": every, "rule_files": [str(file) for file in rules], "scrape_configs": jobs}


@asynccontextmanager
async def scraping(directory: Path, targets: Sequence[str], rules: Sequence[Path] = (), interval: str = "1s") -> AsyncIterator[Prometheus]:
    """Run Prometheus until the end of the block; it has scraped every target by the time this begins."""
    program, address = binary(), f"127.0.0.1:{free_port()}"
    file, log = directory / "prometheus.yml", directory / "prometheus.log"
    file.write_text(json.dumps(settings(targets, address, rules, interval)), encoding="utf-8")
    options = (f"--config.file={file}", f"--storage.tsdb.path={directory / 'prometheus'}", f"--web.listen-address={address}")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(program, *options, "--log.level=warn", stdout=output, stderr=output)
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(f"http://{address}", session)

        async def ready() -> bool:
            assert process.returncode is None, log.read_text()
            try:
                return await prometheus.up() == len(targets)
            except (aiohttp.ClientError, ValueError):
                return False

        try:
            await eventually(ready)
            yield prometheus
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
