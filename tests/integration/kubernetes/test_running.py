"""The container runs as the pod says: with a root that nobody writes to, as that user, without capabilities, with what is mounted.

No cluster: namespaces of the Linux kernel, made by the test. What a node does is played by `tests/fakes/node.py`.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.node import Node, chosen
from tests.fakes.waiting import eventually
from tests.integration.kubernetes.launching import AT_ONCE, metric, probed, ready, started
from tests.integration.kubernetes.objects import TOKEN, config_maps
from tests.integration.kubernetes.rendering import Manifest, container, only, pod, rendered, source


@pytest.mark.parametrize("name", ["minimal", "everything", "existing-secrets", "valkey", "base", "overlays/example"])
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


# --- changes while it runs: what a node does when a ConfigMap or a Secret has changed -----------------------------


def published(node: Node, directory: Path, manifests: Sequence[Manifest]) -> None:
    """Let a node bring the ConfigMap of other manifests into the pod."""
    (volume,) = (volume for volume in pod(manifests)["volumes"] if volume["name"] == "config")
    held = config_maps(manifests)[volume["configMap"]["name"]]
    node.publish(directory / "volumes/config", chosen(held, volume["configMap"]))


async def test_a_changed_config_map_is_taken_over_without_a_restart(tmp_path: Path) -> None:
    async with started(tmp_path, rendered("minimal")) as (one, node):
        await ready(one, rendered("minimal"))
        published(node, tmp_path, rendered("minimal", "--set", "config.mode=shadow"))
        assert '"enforce" → "shadow"' in await one.told("changed: mode")
        assert one.process.returncode is None


async def test_a_wrong_config_map_changes_nothing(tmp_path: Path) -> None:
    manifests = rendered("minimal")
    async with started(tmp_path, manifests) as (one, node):
        await ready(one, manifests)
        published(node, tmp_path, rendered("minimal", "--set", "config.vendors.ringcentral.mount.path=without-slash"))
        assert await one.told("vendors.ringcentral.mount.path")
        assert await probed(one, manifests, "readinessProbe") == 200
        assert await metric(one, "scopegate_config_last_reload_successful") == 0
        published(node, tmp_path, rendered("minimal", "--set", "config.mode=off"))
        assert await one.told("changed: mode")
        assert await metric(one, "scopegate_config_last_reload_successful") == 1


async def test_a_changed_catalogue_is_taken_over(tmp_path: Path) -> None:
    manifests = source("everything")
    async with started(tmp_path, manifests) as (one, node):
        await ready(one, manifests)
        catalog = only(manifests, "ConfigMap")["data"]["catalog.acme.yaml"]
        assert "requires: [[calls.read]]" in catalog
        changed = {"data": {**only(manifests, "ConfigMap")["data"], "catalog.acme.yaml": catalog.replace("[[calls.read]]", "[]")}}
        published(node, tmp_path, [{**one_of, **changed} if one_of["kind"] == "ConfigMap" else one_of for one_of in manifests])
        assert "listCalls" in await one.told("catalogue of acme")


async def test_a_replaced_admin_token_counts_at_once(tmp_path: Path) -> None:
    manifests = rendered("minimal")
    async with started(tmp_path, manifests) as (one, node):
        await ready(one, manifests)
        fresh = {"token-sha256": hashlib.sha256(b"another").hexdigest().encode()}
        node.publish(tmp_path / "volumes/secret-admin", fresh, 0o440)
        node.give(pod(manifests)["securityContext"]["fsGroup"])

        async def counts() -> bool:
            return (await one.curl("-H", "Authorization: Bearer another", "http://127.0.0.1:9090/metrics"))[0] == 200

        await eventually(counts)
        assert (await one.curl("-H", f"Authorization: Bearer {TOKEN}", "http://127.0.0.1:9090/metrics"))[0] == 401
