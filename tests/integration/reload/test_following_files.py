"""Files that change: found out however they are replaced, taken over whole or not at all, and told about without their secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.composition.reloading import Result
from tests.fakes.running import CATALOG
from tests.fakes.waiting import eventually
from tests.integration.reload.site import DENIED, Site, ask, log_in, open_site, told

CANARY = "c4n4ry-5ecret"


@asynccontextmanager
async def following(site: Site) -> AsyncIterator[None]:
    task = asyncio.create_task(site.reloader.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def has_mode(site: Site, mode: str) -> None:
    async def it_has() -> bool:
        return str(site.app.loaded.settings.mode) == mode

    await eventually(it_has)


async def metric_is(site: Site, line: str) -> None:
    async def it_is() -> bool:
        return f"\n{line}\n" in await site.admin("/metrics")

    await eventually(it_is)


def overwrite(file: Path, text: str) -> None:
    file.write_text(text)


def rename(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.rename(file)


def remove_and_write(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text)


@pytest.mark.parametrize("replace", [overwrite, rename, remove_and_write])
async def test_a_file_that_is_written_counts(tmp_path: Path, replace: Callable[[Path, str], None]) -> None:
    async with open_site(tmp_path) as site, following(site):
        replace(site.file, json.dumps({**site.top, "mode": "shadow"}))
        await has_mode(site, "shadow")


async def test_a_catalogue_that_is_written_counts(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, following(site):
        client = await site.client()
        token = await log_in(client, "calls:read")
        rename(
            site.catalog_file, CATALOG.replace('path: "/calls", requires: [["calls:read"]]', 'path: "/calls", requires: [["calls:all"]]')
        )

        async def denies() -> bool:
            return told(await ask(client, token)) == DENIED

        await eventually(denies)


async def test_a_config_map_is_followed(tmp_path: Path) -> None:
    """Kubernetes swaps one link, `..data`: files are links to files below it, and all change at once."""
    first, second, mount = tmp_path / "..1", tmp_path / "..2", tmp_path / "mount"
    mount.mkdir()
    async with open_site(tmp_path) as site:
        for version, mode in ((first, "enforce"), (second, "shadow")):
            version.mkdir()
            (version / "catalog.yaml").write_text(CATALOG.replace("made up", f"made up for {mode}"))
            (version / "scopegate.yaml").write_text(json.dumps({**site.top, "mode": mode}))
        (mount / "..data").symlink_to(first)
        for name in ("scopegate.yaml", "catalog.yaml"):
            (mount / name).symlink_to(Path("..data") / name)
        site.file = mount / "scopegate.yaml"
        await site.reload()
        async with following(site):
            (mount / "..data_tmp").symlink_to(second)
            (mount / "..data_tmp").rename(mount / "..data")
            await has_mode(site, "shadow")
        assert site.app.loaded.catalogs["acme"].source == "made up for shadow for tests"
        assert (await site.config())["last_reload_successful"] is True


async def test_a_secret_file_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("ab" * 32)
    clients = [{"name": "one", "authenticate": {"api_key_sha256": f"${{file:{secret}}}"}}]
    async with open_site(tmp_path, clients=clients) as site, following(site):
        revision = (await site.config())["revision"]
        secret.write_text("cd" * 32)
        await metric_is(site, 'scopegate_config_reloads_total{result="loaded"} 1.0')
        told = await site.config()
        assert told["changes"] == ["clients.one.authenticate.api_key_sha256: changed (not shown, it may be secret)"]
        assert told["revision"] == revision


async def test_a_wrong_file_keeps_the_last_good_one_and_a_right_one_recovers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with open_site(tmp_path) as site, following(site):
        before = await site.config()
        site.file.write_text(json.dumps({**site.top, "mode": "shadow", "limits": {"max_headers": CANARY}, "mood": 1}))
        await metric_is(site, "scopegate_config_last_reload_successful 0.0")
        client = await site.client()
        assert told(await ask(client, await log_in(client, "calls:none"))) == DENIED
        ready = await site.admin("/readyz")
        assert (ready["status"], ready["checks"]["configuration"]["degraded"]) == ("degraded", True)
        found = await site.config()
        assert (found["revision"], found["loaded_at"]) == (before["revision"], before["loaded_at"])
        places = [re.search(r"scopegate\.yaml:1:\d+: (\S+): ", problem) for problem in found["problems"]]
        assert [place and place[1] for place in places] == ["limits.max_headers", "mood"]
        site.write(mode="shadow")
        await has_mode(site, "shadow")
        await metric_is(site, "scopegate_config_last_reload_successful 1.0")
        assert (await site.admin("/readyz"))["status"] == "ready"
        assert (await site.config())["problems"] == []
    assert 'mode: "enforce" → "shadow"' in caplog.text
    assert "unknown key" in caplog.text
    assert CANARY not in caplog.text + json.dumps(found)


async def test_a_wrong_file_that_is_put_back_recovers_without_a_change(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        site.file.write_text("half a fi")
        await site.reload(Result.FAILED)
        site.write()
        await site.reload(Result.UNCHANGED)
        found = await site.config()
        assert (found["last_reload_successful"], found["changes"]) == (True, [])
        assert "\nscopegate_config_last_reload_successful 1.0\n" in await site.admin("/metrics")


async def test_a_file_that_is_missing_is_taken_over_when_it_comes(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, following(site):
        site.write_vendor(catalog="later.yaml")
        await metric_is(site, "scopegate_config_last_reload_successful 0.0")
        (tmp_path / "later.yaml").write_text(CATALOG)
        await metric_is(site, "scopegate_config_last_reload_successful 1.0")


AT_START: dict[str, Any] = {
    "listen": "127.0.0.1:1",
    "admin": {"listen": "127.0.0.1:1"},
    "workers": 3,
    "log": {"decisions": False},
    "audit": {"path": "audit.jsonl"},
    "state": {"path": "scopegate.db"},
    "gateway_adapters": {"listen": "127.0.0.1:1"},
    "shared_state": {"url": "redis://127.0.0.1:1/0", "key": "ab" * 32},
}


@pytest.mark.parametrize("key", AT_START)
async def test_what_needs_a_restart_is_refused_with_everything_else(tmp_path: Path, key: str) -> None:
    async with open_site(tmp_path) as site:
        site.write(**{"mode": "shadow", key: AT_START[key]})
        await site.reload(Result.FAILED)
        (problem,) = (await site.config())["problems"]
        assert f": {key}" in problem
        assert "needs a restart" in problem
        assert str(site.app.loaded.settings.mode) == "enforce"


async def test_whoever_wants_to_hears_of_the_beginning_and_the_end(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        first = site.app.loaded.revision
        await site.reload(Result.UNCHANGED)
        site.write(mode="shadow")
        await site.reload()
        site.file.write_text("{")
        await site.reload(Result.FAILED)
        second = site.app.loaded.revision
        ends = [entry for entry in site.witness.heard if entry[0] != "began"]
        assert ends == [("unchanged", first), ("loaded", second), ("failed", second)]
        assert [entry[0] for entry in site.witness.heard[::2]] == ["began"] * 3


async def test_an_issuer_whose_keys_cannot_be_read_is_refused(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        (tmp_path / "keys.json").write_text("{}")
        site.write(issuers=[{"issuer": "us", "audience": "proxy", "jwks_file": "keys.json"}])
        await site.reload(Result.FAILED)
        assert "the keys of an issuer cannot be used" in (await site.config())["problems"][0]
