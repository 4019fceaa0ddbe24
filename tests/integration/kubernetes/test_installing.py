"""What only an installation shows: a token that is kept at upgrades, the versions that are asked for, what a package contains."""

from __future__ import annotations

import asyncio
import base64
import re
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from proxy import __version__
from tests.integration.kubernetes.rendering import (
    CHART,
    HELMS,
    NAMESPACE,
    VALUES,
    Manifest,
    configuration,
    helm,
    only,
    parsed,
    program,
    rendered,
    run,
)

KINDS: Mapping[str, Sequence[str]] = {
    "v1": ("ConfigMap", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}
"""What is rendered; Helm 4 asks where each kind is."""


def discovery() -> dict[str, object]:
    """Return what a cluster says of itself, by path."""
    groups = [version for version in KINDS if "/" in version]
    lists = {("/apis/" if "/" in version else "/api/") + version: resources(version) for version in KINDS}
    return {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(version) for version in groups]},
        **lists,
    }


def group(version: str) -> Manifest:
    known = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [known], "preferredVersion": known}


def resources(version: str) -> Manifest:
    names = {kind: re.sub("y$", "ie", kind.lower()) + "s" for kind in KINDS[version]}
    known = [{"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]} for kind, name in names.items()]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": known}


@pytest.fixture
async def api() -> AsyncIterator[tuple[str, dict[str, Manifest]]]:
    """As much of a Kubernetes API as Helm asks to look up a Secret; yields its address and the Secrets that it holds, by name."""
    held: dict[str, Manifest] = {}
    known = discovery()

    async def secret(request: web.Request) -> web.Response:
        found = held.get(request.match_info["name"])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return web.json_response(found or missing, status=200 if found else 404)

    async def told(request: web.Request) -> web.Response:
        return web.json_response(known[request.path])

    app = web.Application()
    app.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{{name}}", secret)
    for path in known:
        app.router.add_get(path, told)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name, held
    await runner.cleanup()


async def generated(version: str, address: str) -> Manifest:
    """Render with a look at the cluster, as an installation and an upgrade do; return the Secret."""
    cluster = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address, "--kube-token", "none")
    options = ("-n", NAMESPACE, *cluster, "--show-only", "templates/admin-secret.yaml")
    finished = await asyncio.to_thread(helm, version, ("template", "gate"), "valkey", *options)
    assert finished.returncode == 0, finished.stderr
    return only(parsed(finished.stdout), "Secret")


@pytest.mark.parametrize("version", HELMS)
async def test_a_generated_token_is_kept_at_upgrades(version: str, api: tuple[str, dict[str, Manifest]]) -> None:
    address, held = api
    first = await generated(version, address)
    assert len(base64.b64decode(first["data"]["token"])) == 48
    assert (await generated(version, address))["data"] != first["data"], "nothing was installed yet"
    marks = {"meta.helm.sh/release-name": "gate", "meta.helm.sh/release-namespace": NAMESPACE}  # Helm's own, on all that it installs
    held[first["metadata"]["name"]] = {**first, "metadata": {**first["metadata"], "namespace": NAMESPACE, "annotations": marks}}
    assert (await generated(version, address))["data"] == first["data"]


@pytest.mark.parametrize("version", HELMS)
def test_an_older_kubernetes_is_refused(version: str) -> None:
    finished = helm(version, ("template", "gate"), "minimal", "--kube-version", "1.29.9")
    assert finished.returncode != 0
    assert "incompatible with Kubernetes v1.29.9" in finished.stderr
    assert helm(version, ("template", "gate"), "minimal", "--kube-version", "1.30.0").returncode == 0


@pytest.mark.parametrize("version", HELMS)
def test_a_packaged_chart_has_everything_it_needs(version: str, tmp_path: Path) -> None:
    finished = run(program(version), "package", str(CHART), "--destination", str(tmp_path))
    assert finished.returncode == 0, finished.stderr
    with tarfile.open(tmp_path / f"scopegate-{__version__}.tgz") as packed:
        names = {name.removeprefix("scopegate/") for name in packed.getnames()}
    whole = {str(file.relative_to(CHART)) for file in CHART.rglob("*") if file.is_file()}
    assert names == {name for name in whole if not name.startswith("ci/")}
    assert {"values.schema.json", "templates/NOTES.txt"} <= names


@pytest.mark.parametrize("values", VALUES)
def test_the_notes_say_where_apps_reach_it(values: str) -> None:
    """Helm 4 renders them without a cluster; Helm 3 would ask for one."""
    finished = helm("helm4", ("install", "gate"), values, "-n", NAMESPACE, "--dry-run=client")
    assert finished.returncode == 0, finished.stderr
    notes = finished.stdout.partition("\nNOTES:\n")[2]
    config = configuration(rendered(values))
    for name, vendor in config["vendors"].items():
        assert f"  {name}: http{'s' if 'tls' in config else ''}://" in notes
        assert vendor["mount"]["path"] in notes
    assert ("The mode is shadow" in notes) == (config.get("mode") == "shadow")
