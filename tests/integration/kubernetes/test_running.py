"""The container runs as the pod says: with a root that nobody writes to, as that user, without capabilities, with what is mounted.

No cluster: namespaces of the Linux kernel, made by the test. What a node does is played by `tests/fakes/node.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.kubernetes.launching import AT_ONCE, probed, ready, started
from tests.integration.kubernetes.objects import TOKEN
from tests.integration.kubernetes.rendering import Manifest, container, rendered, source


@pytest.mark.parametrize("name", ["minimal", "everything", "existing-secrets", "base", "overlays/example"])
async def test_the_pod_serves_with_the_rights_it_has(name: str, tmp_path: Path) -> None:
    manifests = source(name)
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
        assert await probed(one, manifests, "livenessProbe") == 200
        assert await probed(one, manifests, "startupProbe") == 200
        told = one.status()
        assert set(told["Uid"].split()) == {"10001"}
        assert set(told["Gid"].split()) == {"10001"}
        assert {told[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert told["NoNewPrivs"] == "1"
        assert one.writable() == writable(manifests)


def writable(manifests: Sequence[Manifest]) -> set[str]:
    return {mount["mountPath"] for mount in container(manifests)["volumeMounts"] if not mount.get("readOnly")}


async def test_more_rights_than_these_would_be_seen(tmp_path: Path) -> None:
    manifests = rendered("minimal", "--set", "securityContext.readOnlyRootFilesystem=false,securityContext.capabilities=null")
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
        assert "/" in one.writable()
        assert one.status()["CapBnd"] != "0" * 16


async def test_the_admin_listener_is_for_who_has_the_token(tmp_path: Path) -> None:
    manifests = source("minimal")
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
        metrics = "http://127.0.0.1:9090/metrics"
        assert (await one.curl(metrics))[0] == 401
        status, page = await one.curl("-H", f"Authorization: Bearer {TOKEN}", metrics)
        assert status == 200
        assert "scopegate_build_info" in page


async def test_apps_are_answered(tmp_path: Path) -> None:
    """There is no vendor in the pod's network: the request is decided, forwarded, and told that the vendor cannot be reached."""
    manifests = rendered("minimal")
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
        status, body = await one.curl("http://127.0.0.1:8080/ringcentral/restapi/v1.0/account/~")
        assert status == 502
        assert "upstream" in body


async def test_store_and_audit_log_are_on_the_volume(tmp_path: Path) -> None:
    manifests = source("everything")
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
    held = {path.name for path in (tmp_path / "volumes/data").rglob("*") if path.is_file()}
    assert {"scopegate.db", "audit.jsonl"} <= held
    assert "scopegate.db.key" not in held, "the key comes from a secret"


async def test_a_pod_that_is_told_to_end_ends_in_time(tmp_path: Path) -> None:
    manifests = rendered("minimal", *AT_ONCE)
    async with started(tmp_path, manifests) as (one, _):
        await ready(one, manifests)
        os.kill(one.pid, signal.SIGTERM)
        assert "every request was finished" in await one.told("stopped")
        assert await one.process.wait() == 0
