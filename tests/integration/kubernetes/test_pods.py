"""What every pod may do, how its health is asked, how it ends and how pods are spread: with every file of values, and with Kustomize."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from proxy.admin.access import OPEN_PATHS
from tests.integration.kubernetes.rendering import (
    ROOT,
    SOURCES,
    Manifest,
    component,
    configuration,
    container,
    every,
    only,
    pod,
    proxy,
    rendered,
    source,
    workloads,
)
from tools.chart import RULES

PODS = [*((name, "proxy") for name in SOURCES), ("valkey", "valkey")]
"""Every pod of every source: a test below says that there are no others."""


@pytest.fixture(params=PODS, ids="-".join)
def spec(request: pytest.FixtureRequest) -> Manifest:
    name, kind = request.param
    (found,) = (workload for workload in workloads(source(name)) if component(workload) == kind)
    template: Manifest = found["spec"]["template"]
    return dict(template["spec"])


each_source = pytest.mark.parametrize("name", SOURCES)


@each_source
def test_there_are_no_other_pods(name: str) -> None:
    assert {component(workload) for workload in workloads(source(name))} == {kind for known, kind in PODS if known == name}


# --- what a pod may do: the restricted Pod Security Standard, and a root that nobody writes to -------------


def test_a_pod_has_no_right_that_it_does_not_need(spec: Manifest) -> None:
    whole = spec["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["runAsUser"] > 0
    assert whole["fsGroup"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers"} & spec.keys()


def test_a_container_has_no_right_that_it_does_not_need(spec: Manifest) -> None:
    (one,) = spec["containers"]
    context = one["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert not {"privileged", "procMount"} & context.keys()
    assert all("hostPort" not in port and port["containerPort"] > 1023 for port in one["ports"])


def test_volumes_come_from_objects_and_never_from_the_node(spec: Manifest) -> None:
    for volume in spec.get("volumes", ()):
        (kind,) = volume.keys() - {"name"}
        assert kind in {"configMap", "secret", "emptyDir"}
        if kind == "secret":
            assert volume["secret"]["defaultMode"] == 0o440, "the pod's group may read it, nobody else"


def test_nothing_is_mounted_as_a_single_file(spec: Manifest) -> None:
    """Kubernetes renews mounted directories, and never a file that is mounted alone."""
    assert not [mount for mount in spec["containers"][0]["volumeMounts"] if "subPath" in mount or "subPathExpr" in mount]


def test_a_pod_says_what_it_needs_and_has_a_bound(spec: Manifest) -> None:
    (one,) = spec["containers"]
    assert {"cpu", "memory"} <= one["resources"]["requests"].keys()
    assert "memory" in one["resources"]["limits"]
    assert all("sizeLimit" in volume["emptyDir"] for volume in spec.get("volumes", ()) if volume.get("emptyDir"))


@each_source
def test_only_its_own_directory_can_be_written(name: str) -> None:
    manifests = source(name)
    writable = [mount["mountPath"] for mount in container(manifests)["volumeMounts"] if not mount.get("readOnly")]
    config = configuration(manifests)
    expected = {"/var/lib/scopegate"} if "state" in config or "audit" in config else set()
    assert set(writable) - {"/scratch"} == expected
    for section in ("state", "audit"):
        assert config.get(section, {"path": "/var/lib/scopegate/"})["path"].startswith("/var/lib/scopegate/")


@each_source
def test_accounts_get_no_token(name: str) -> None:
    assert [account["automountServiceAccountToken"] for account in every(source(name), "ServiceAccount")] == [False]
    assert not [kind for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding") if list(every(source(name), kind))]


# --- health --------------------------------------------------------------------------------------------------


@each_source
def test_health_is_asked_where_it_is_answered_without_a_token(name: str) -> None:
    manifests = source(name)
    one, admin = container(manifests), configuration(manifests)["admin"]
    ports = {port["name"]: port["containerPort"] for port in one["ports"]}
    assert admin["listen"].endswith(f":{ports['admin']}")
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        asked = one[probe]["httpGet"]
        assert (asked["port"], asked["path"]) == ("admin", path)
        assert asked["path"] in OPEN_PATHS
        assert asked["scheme"] == ("HTTPS" if "tls" in admin else "HTTP")
    assert admin.get("tls", {}).get("client_auth", "optional") == "optional", "a node shows no certificate"


@each_source
def test_reading_the_store_may_take_its_time(name: str) -> None:
    probe = container(source(name))["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 60 + 30, "the proxy goes on after 60 seconds"


# --- the end, and how pods are replaced ------------------------------------------------------------------------


@each_source
def test_a_pod_gets_the_time_that_the_proxy_takes_to_end(name: str) -> None:
    manifests = source(name)
    limits = configuration(manifests)["limits"]
    before = container(manifests)["lifecycle"]["preStop"]["sleep"]["seconds"]
    given = pod(manifests)["terminationGracePeriodSeconds"]
    taken = before + limits["shutdown_delay_s"] + limits.get("shutdown_grace_s", 30)
    assert before >= 5
    assert limits["shutdown_delay_s"] >= 5
    assert given - 11 <= math.ceil(taken) <= given - 10


def test_the_time_to_end_can_be_said() -> None:
    assert pod(rendered("minimal", "--set", "terminationGracePeriodSeconds=300"))["terminationGracePeriodSeconds"] == 300
    assert "lifecycle" not in container(rendered("minimal", "--set", "preStopSeconds=0"))


@each_source
def test_pods_are_replaced_one_after_the_other(name: str) -> None:
    workload = proxy(source(name))
    if workload["kind"] == "Deployment":
        assert workload["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    else:
        assert workload["spec"]["updateStrategy"] == {"type": "RollingUpdate"}


@each_source
def test_pods_are_spread_over_nodes_and_zones(name: str) -> None:
    manifests = source(name)
    labels = proxy(manifests)["spec"]["template"]["metadata"]["labels"]
    spread = pod(manifests)["topologySpreadConstraints"]
    assert {constraint["topologyKey"] for constraint in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    for constraint in spread:
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()


# --- budgets, scaling, services: they mean the pods of the proxy, and no others ---------------------------------


@each_source
def test_every_selector_means_the_proxy_and_nothing_else(name: str) -> None:
    manifests = source(name)
    found = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in workloads(manifests)}
    own = proxy(manifests)["metadata"]["name"]
    selectors = [
        proxy(manifests)["spec"]["selector"]["matchLabels"],
        only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(manifests, "Service", own)["spec"]["selector"],
        only(manifests, "Service", f"{own}-admin")["spec"]["selector"],
    ]
    for selector in selectors:
        assert [workload for workload, labels in found.items() if selector.items() <= labels.items()] == [own]


@each_source
def test_services_lead_to_the_ports_of_the_pod(name: str) -> None:
    manifests = source(name)
    ports = {port["name"]: port["containerPort"] for port in container(manifests)["ports"]}
    config = configuration(manifests)
    for service in every(manifests, "Service"):
        for port in service["spec"]["ports"]:
            if port["name"] != "valkey":
                assert port["targetPort"] in ports
                assert port["appProtocol"] == ("https" if port["name"] != "gateway" and _tls(config, port["name"]) else "http")
    assert ports["traffic"] == int(config["listen"].rpartition(":")[2])
    assert ("gateway" in ports) == ("gateway_adapters" in config)


def _tls(config: dict[str, Any], port: str) -> bool:
    return "tls" in (config if port == "traffic" else config["admin"])


@each_source
def test_a_node_that_is_emptied_takes_one_pod_at_a_time(name: str) -> None:
    budget = only(source(name), "PodDisruptionBudget")["spec"]
    assert budget.get("maxUnavailable", budget.get("minAvailable")) == ("60%" if name == "everything" else 1)
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("name", ["everything", "overlays/example"])
def test_an_autoscaler_owns_the_number_of_pods(name: str) -> None:
    manifests = source(name)
    scaler = only(manifests, "HorizontalPodAutoscaler")["spec"]
    workload = proxy(manifests)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": workload["kind"], "name": workload["metadata"]["name"]}
    assert "replicas" not in workload["spec"]
    assert 2 <= scaler["minReplicas"] <= scaler["maxReplicas"]
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] <= 80
    assert proxy(source("minimal"))["spec"]["replicas"] == 2


def test_a_volume_for_each_replica_makes_a_stateful_set() -> None:
    manifests = rendered("everything")
    workload = proxy(manifests)
    assert workload["kind"] == "StatefulSet"
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] in {mount["name"] for mount in container(manifests)["volumeMounts"]}
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    headless = only(manifests, "Service", workload["spec"]["serviceName"])
    assert headless["spec"]["clusterIP"] == "None"
    assert proxy(rendered("minimal"))["kind"] == "Deployment"


# --- metrics ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["everything", "existing-secrets", "overlays/example"])
def test_prometheus_shows_the_token_that_the_proxy_knows(name: str) -> None:
    manifests = source(name)
    monitor = only(manifests, "ServiceMonitor")["spec"]
    (endpoint,) = monitor["endpoints"]
    (mounted,) = (volume["secret"] for volume in pod(manifests)["volumes"] if volume["name"] == "secret-admin")
    credentials = endpoint["authorization"]["credentials"]
    assert credentials["name"] == mounted["secretName"]
    hashed = mounted["items"][0]["key"]
    assert configuration(manifests)["admin"]["token_sha256"] == f"${{file:/run/secrets/scopegate/admin/{hashed}}}"
    assert credentials["key"] != hashed, "the proxy gets the hash only"
    (service,) = (s for s in every(manifests, "Service") if monitor["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items())
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["scheme"] == ("https" if "tls" in configuration(manifests)["admin"] else "http")
    assert ("tlsConfig" in endpoint) == (endpoint["scheme"] == "https")
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "scopegate", "alerts name this job"


def test_alerts_find_the_job_under_another_name() -> None:
    manifests = rendered("everything", "--set", "nameOverride=gatekeeper,fullnameOverride=gatekeeper")
    monitor = only(manifests, "ServiceMonitor")["spec"]
    service = only(manifests, "Service", "gatekeeper-admin")["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= service.items()
    assert service[monitor["jobLabel"]] == "scopegate"
    assert 'job="scopegate"' in (ROOT / RULES / "scopegate-alerts.yaml").read_text()


# --- the image ---------------------------------------------------------------------------------------------------


def test_the_image_is_made_for_this_pod() -> None:
    """The chart says command, user, paths and ports itself; the image must have the same ones."""
    told = dict(re.findall(r"^(USER|ENTRYPOINT|CMD|EXPOSE|VOLUME) (.*)$", (ROOT / "deploy/container/Dockerfile").read_text(), re.MULTILINE))
    one, context = container(rendered("minimal")), pod(rendered("minimal"))["securityContext"]
    assert told["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert json.loads(told["ENTRYPOINT"]) == one["command"]
    assert json.loads(told["CMD"]) == one["args"]
    assert told["EXPOSE"].split() == [str(port["containerPort"]) for port in one["ports"]]
    assert told["VOLUME"] in {mount["mountPath"] for mount in one["volumeMounts"]}
