"""What is rendered, with Helm 3 and Helm 4 and with Kustomize, is known to the real schemas of Kubernetes; wrong values are refused."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import yaml

from tests.integration.kubernetes.rendering import (
    CHART,
    HELMS,
    ROOT,
    SOURCES,
    VALUES,
    Manifest,
    checked,
    every,
    helm,
    only,
    rendered,
    rendered_text,
    source,
    source_text,
)
from tools.chart import RULES


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("version", HELMS)
def test_helm_finds_nothing_to_complain_about(version: str, values: str) -> None:
    finished = helm(version, ("lint", "--strict"), values)
    assert finished.returncode == 0, finished.stdout
    assert "WARNING" not in finished.stdout


BROKEN = {
    "a misspelled field": ("automountServiceAccountToken: false", "automountServiceAcountToken: false", "automountServiceAcountToken"),
    "a wrong type": ("maxReplicas: 12", "maxReplicas: twelve", "twelve"),
    "an unknown kind": ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets", "there is no PodDisruptionBudgets"),
    "a version that is gone": ("policy/v1\n", "policy/v1beta1\n", "there is no PodDisruptionBudget in policy/v1beta1"),
    "a misspelled field of a ServiceMonitor": ("scrapeTimeout: 10s", "scrapeTimeot: 10s", "scrapeTimeot: there is no such field"),
    "a wrong value in a ServiceMonitor": ("interval: 30s", "interval: often", "spec.endpoints.0.interval"),
    "a PrometheusRule without groups": ("spec:\n  groups:", "spec:\n  group:", "spec.group: there is no such field"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the real schemas say of everything that is rendered, and of the same with something broken. One run, for starting takes long."""
    texts = {_file(name): source_text(name) for name in SOURCES}
    everything = rendered_text("everything")
    assert all(right in everything for right, _, _ in BROKEN.values())
    broken = {_file(name): everything.replace(right, wrong) for name, (right, wrong, _) in BROKEN.items()}
    return checked({**texts, **broken, "nothing": "---\n"}, tmp_path_factory.mktemp("manifests"))


def _file(name: str) -> str:
    return name.replace("/", "-").replace(" ", "-")


@pytest.mark.parametrize("name", SOURCES)
def test_everything_that_is_rendered_is_known_to_kubernetes(told: dict[str, list[str]], name: str) -> None:
    assert told[_file(name)] == [f"{len(source(name))} manifests, no problem"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_kubernetes_does_not_know_is_found(told: dict[str, list[str]], name: str) -> None:
    assert any(BROKEN[name][2] in line for line in told[_file(name)])


def test_nothing_at_all_is_no_success(told: dict[str, list[str]]) -> None:
    assert told["nothing"] == ["there are no manifests"]


@pytest.mark.parametrize("values", VALUES)
def test_both_helms_render_the_same(values: str) -> None:
    assert [_shown(one) for one in rendered(values, version="helm3")] == [_shown(one) for one in rendered(values, version="helm4")]


def _shown(manifest: Manifest) -> str:
    """A generated token is another one each time."""
    return json.dumps({key: value for key, value in manifest.items() if key != "data" or manifest["kind"] != "Secret"}, sort_keys=True)


def test_every_object_says_what_it_belongs_to() -> None:
    for manifest in rendered("everything"):
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "gate"
        assert labels["team"] == "telephony"
        assert labels["app.kubernetes.io/version"] == yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]


def test_the_alerts_are_those_of_the_rule_files() -> None:
    groups = [group for rules in sorted((ROOT / RULES).glob("*.y*ml")) for group in yaml.safe_load(rules.read_text())["groups"]]
    assert only(rendered("everything"), "PrometheusRule")["spec"]["groups"] == groups
    assert only(source("overlays/example"), "PrometheusRule")["spec"]["groups"] == groups


# --- wrong values ----------------------------------------------------------------------------------------

REFUSED = {
    "imagge=x": "imagge",
    "replicaCount=two": "replicaCount",
    "service.port=99999": "service",
    "service.type=Service": "ClusterIP",
    "resources.request.cpu=1": "request",
    "config.modus=shadow": "modus",
    "config.mode=maybe": "shadow",
    "config.limits.max_headers=2": "10",
    "config.vendors.ringcentral.kind=ring": "ringcentral",
    "config.listen=0.0.0.0:80": "listen",
    "config.admin.listen=0.0.0.0:80": "admin",
    "config.state.path=elsewhere": "path",
    "catalogs.acme=x": "acme",
    "config=null": "config",
    "probes.liveness=null": "liveness",
    "persistence.size=plenty": "size",
    "admin.token.secretName=Not_A_Name": "secretName",
}


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("setting", REFUSED)
def test_a_wrong_value_is_named(setting: str, version: str) -> None:
    finished = helm(version, ("template", "gate"), "minimal", "--set", setting)
    assert finished.returncode != 0
    assert "values don't meet the specifications" in finished.stderr
    assert REFUSED[setting] in finished.stderr


CONTRADICTIONS = {
    "image.repository=": "image.repository is required",
    "admin.token.secretName=": "admin.token.secretName is required",
    "admin.token.generate=true": "exclude each other",
    "admin.tls.clientCA.secretName=ca": "admin.tls.clientCA needs admin.tls.secretName",
    "tls.clientCA.secretName=ca": "tls.clientCA needs tls.secretName",
    "existingConfigMap=mine": "existingConfigMap excludes config",
    "persistence.enabled=true": "state.keySecret.name is required",
    "persistence.enabled=true,state.enabled=false": "nothing to keep",
    "audit.enabled=true": "audit.enabled needs persistence.enabled",
    "sharedState.enabled=true": "sharedState.keySecret.name is required",
    "sharedState.enabled=true,sharedState.keySecret.name=k": "exactly one of valkey.enabled and sharedState.urlSecret.name",
    "valkey.enabled=true": "valkey.enabled needs sharedState.enabled",
    "valkey.enabled=true,sharedState.enabled=true,sharedState.keySecret.name=k": "valkey.passwordSecret.name is required",
    "gateway.enabled=true,config.workers=2": "config.workers: 1",
    "autoscaling.enabled=true,autoscaling.minReplicas=11": "autoscaling.minReplicas is greater",
    "podDisruptionBudget.maxUnavailable=null": "one of minAvailable and maxUnavailable",
    "config.limits.shutdown_grace_s=${GRACE}": "terminationGracePeriodSeconds is required",
}


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("setting", CONTRADICTIONS)
def test_a_contradiction_is_explained(setting: str, version: str) -> None:
    finished = helm(version, ("template", "gate"), "minimal", "--set", setting)
    assert finished.returncode != 0
    assert CONTRADICTIONS[setting] in finished.stderr


@pytest.mark.parametrize("version", HELMS)
def test_without_vendors_there_is_nothing_to_install(version: str) -> None:
    finished = helm(version, ("template", "gate"), "", "--set", "image.repository=mine,admin.token.secretName=ours")
    assert "config.vendors is required" in finished.stderr


def test_a_generated_token_and_its_hash_belong_together() -> None:
    first, second = (only(rendered("valkey", "--set", f"podLabels.run=no-{run}"), "Secret")["data"] for run in ("1", "2"))
    assert first["token"] != second["token"]
    assert _sha256_of(first["token"]) == first["token-sha256"]
    assert not list(every(rendered("minimal"), "Secret")), "secrets that exist are named, never made"


def _sha256_of(encoded: str) -> str:

    return base64.b64encode(hashlib.sha256(base64.b64decode(encoded)).hexdigest().encode()).decode()
