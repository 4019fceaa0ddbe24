"""The published comparison is true of this proxy: every case in it is put to Scopegate again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.differential.answers import all_answers
from bench.differential.cases import Case, Kind
from bench.differential.peers import CATALOG, SCOPEGATE
from bench.differential.probe import Origin, probe
from bench.differential.requests import all_requests
from proxy.app import App
from proxy.settings import Loaded, load_settings
from tests.unit.docs.pages import read, rows, section

CASES = (*all_requests(), *all_answers())
PATIENCE_S, QUIET_S = 3.0, 0.05


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = Origin()
    await origin.start()
    yield origin
    await origin.stop()


@pytest.fixture
async def proxy(tmp_path: Path, origin: Origin) -> AsyncIterator[App]:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    path = tmp_path / "scopegate.yaml"
    path.write_text(SCOPEGATE.format(listen=0, admin=0, origin=origin.port))
    loaded = load_settings(path, {})
    assert isinstance(loaded, Loaded), str(loaded)
    app = App(loaded)
    await app.start()
    yield app
    await app.stop(0.0)


def published(group: str) -> dict[str, str]:
    """What the page says of Scopegate."""
    return {row[0].removesuffix(" (legitimate)"): row[1] for row in rows(section(read("reference/differential.md"), f"## {group}"))}


@pytest.mark.parametrize("group", dict.fromkeys(case.group for case in CASES))
async def test_the_published_outcomes_are_those_of_this_proxy(proxy: App, origin: Origin, group: str) -> None:
    outcomes = {case.name: await _text(proxy, origin, case) for case in CASES if case.group == group}
    assert outcomes == published(group)


async def _text(proxy: App, origin: Origin, case: Case) -> str:
    outcome, got, seen = await probe(proxy.port, origin, case, PATIENCE_S, QUIET_S)
    assert not case.legitimate or outcome.kind is Kind.PASSED, (case.name, outcome, got, seen)
    return outcome.text()


def test_where_another_proxy_is_stricter_the_page_says_why() -> None:
    stricter = rows(section(read("reference/differential.md"), "## Where another proxy is stricter"))
    assert all(row[3] != "not explained yet" for row in stricter)
