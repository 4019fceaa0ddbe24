"""Every query of every dashboard and rule, evaluated by a real Prometheus that scrapes two busy proxies."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.boards import FOLDER, Asked, Json, asked, at_first, boards, filled, listed, variables
from tests.fakes.waiting import eventually
from tests.integration.monitoring.prometheus import JOB, Prometheus, Series, binary, scraping
from tests.integration.monitoring.site import APP, Site, open_site
from tests.promql import names, selectors

ROUNDS: Final = 6
RETRIES: Final = 12
"""A crowded machine may miss a scrape, and then nothing is known for a moment."""
OF_GRAFANA: Final = {"__rate_interval": "5s", "__range": "300s"}
RULES: Final = sorted((FOLDER.parent / "prometheus" / "rules").glob("*.y*ml"))
OF_PROMETHEUS: Final = {"up", "ALERTS", "scrape_samples_scraped", "scrape_duration_seconds"}
ONLY_IN_TROUBLE: Final = {
    "scopegate_unreadable_metrics_total": "appears when a metric cannot be read, which is a bug",
}
"""Series that a healthy site does not have, and when they appear."""
CHOSEN: Final = {"least-privilege: Granted and unused (B)": {"days": "0"}}
"""Queries that need another choice than the first one: when a scope was last used that nobody has used for 90 days."""


def complaint(place: str, expr: str, why: str) -> str:
    return f"{place}: {why}\n    {expr}"


def has_number(found: list[Series]) -> bool:
    """Say whether any value is a number: 0 divided by 0 is none."""
    values = [value for series in found for value in series.get("values", [series.get("value")])]
    return any(not math.isnan(float(text)) for _, text in values)


class Bench:
    """A site that is scraped, and what is asked about it."""

    def __init__(self, site: Site, prometheus: Prometheus, began: float) -> None:
        self.site = site
        self.prometheus = prometheus
        self.began = began

    async def turn(self) -> None:
        """Let every app call, and wait until Prometheus has heard of it."""
        await self.site.round()
        before = await self.prometheus.scraped()

        async def heard() -> bool:
            return await self.prometheus.scraped() > before

        await eventually(heard)

    async def evaluated(self, query: Asked, values: dict[str, str]) -> list[Series]:
        """Ask as Grafana would ask."""
        expr = filled(query.expr, values)
        return await (self.prometheus.now(expr) if query.instant else self.prometheus.over(expr, self.began, time.time(), 0.5))

    async def known(self) -> set[str]:
        """Return the names on both live pages, and of what rules record."""
        pages = [await self.site.house.page(), await self.site.second_page()]
        samples = {sample.name for page in pages for family in text_string_to_metric_families(page) for sample in family.samples}
        recorded = {rule["name"] for rule in await self.prometheus.rules() if rule["type"] == "recording"}
        return samples | recorded


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    binary()
    async with open_site(tmp_path) as site:
        await site.tour()
        began = time.time()
        async with scraping(tmp_path, site.targets, RULES) as prometheus:
            bench = Bench(site, prometheus, began)
            for _ in range(ROUNDS):
                await bench.turn()
            await site.reconfigure()
            await bench.turn()
            yield bench


async def failing(bench: Bench, query: Asked, values: dict[str, str]) -> str:
    """Return what is wrong with a query of a dashboard, or ""."""
    try:
        found = await bench.evaluated(query, values | CHOSEN.get(query.place, {}))
    except ValueError as error:
        return complaint(query.place, query.expr, str(error))
    return "" if has_number(found) else complaint(query.place, query.expr, "returned no data")


async def values_of(bench: Bench, name: str, board: Json) -> tuple[dict[str, str], list[str]]:
    """Return the variables as Grafana fills them in, and which of them found nothing to choose from."""
    values = OF_GRAFANA | at_first(board, {"datasource": "prometheus", "docs": "docs", "client": APP})
    lists = [asks for asks in map(listed, variables(board).values()) if asks is not None]
    empty = [asks for asks in lists if not await bench.prometheus.values(filled(asks[0], values), asks[1])]
    return values, [complaint(f"{name}: variable {label}", selector, "has no values") for selector, label in empty]


async def wrong_with_dashboards(bench: Bench) -> list[str]:
    known, found = await bench.known(), []
    for name, board in boards():
        values, empty = await values_of(bench, name, board)
        found += empty
        for query in asked(name, board):
            unknown = names(query.expr) - known
            wrong = complaint(query.place, query.expr, f"no page has {unknown}") if unknown else await failing(bench, query, values)
            found += [wrong] if wrong else []
        for note in board["annotations"]["list"]:
            marks = await bench.prometheus.over(filled(note["expr"], values), bench.began, time.time(), 0.5)
            found += [] if marks else [complaint(f"{name}: annotation {note['name']}", note["expr"], "marked nothing")]
    return found


async def wrong_with_rules(bench: Bench) -> list[str]:
    known, found = await bench.known() | OF_PROMETHEUS | ONLY_IN_TROUBLE.keys(), []
    for rule in await bench.prometheus.rules():
        place = f"rule {rule['name']}"
        if unknown := names(rule["query"]) - known:
            found.append(complaint(place, rule["query"], f"no page has {unknown}"))
        data = await bench.prometheus.now(rule["query"])
        if rule["type"] == "recording" and not data:
            found.append(complaint(place, rule["query"], "returned no data"))
        found += [complaint(place, quiet, "finds no series") for quiet in await quiet_selectors(bench, rule)]
    return found


async def quiet_selectors(bench: Bench, rule: dict[str, Any]) -> list[str]:
    """Return the selectors of a rule that find nothing, except those that are known to appear only in trouble."""
    wanted = [f"{name}{conditions}" for name, conditions in selectors(rule["query"]) if name not in ONLY_IN_TROUBLE | {"ALERTS": ""}]
    return [selector for selector in wanted if not await bench.prometheus.series(selector)]


async def everything_wrong(bench: Bench) -> list[str]:
    return [*await wrong_with_dashboards(bench), *await wrong_with_rules(bench)]


@pytest.mark.timeout(180)
async def test_every_query_of_every_dashboard_and_rule_finds_something(bench: Bench) -> None:
    wrong = await everything_wrong(bench)
    for _ in range(RETRIES):
        if not wrong:
            break
        await bench.turn()
        wrong = await everything_wrong(bench)
    assert bool(RULES) == bool(await bench.prometheus.rules())
    assert not wrong, "\n" + "\n".join(wrong)
    assert await bench.prometheus.up() == len(bench.site.targets), JOB
