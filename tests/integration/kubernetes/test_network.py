"""Who may connect to the pods, and where the pods may connect to: read as Kubernetes reads a NetworkPolicy."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tests.integration.kubernetes.rendering import SOURCES, Manifest, component, container, only, proxy, rendered, source

each_source = pytest.mark.parametrize("name", SOURCES)
MONITORING = {"namespace": {"kubernetes.io/metadata.name": "monitoring"}, "pod": {}}
SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}


def policy(manifests: list[Manifest]) -> Manifest:
    (found,) = (one for one in manifests if one["kind"] == "NetworkPolicy" and component(one) == "proxy")
    return dict(found["spec"])


def lets(rules: list[Any], direction: str, other: dict[str, Any], port: object, protocol: str = "TCP") -> bool:
    """Say whether one of the rules lets a connection through. `other` is a pod (labels of it and its namespace) or an address."""
    return any(
        any(_is(peer, other) for peer in rule[direction]) and any(_same(told, port, protocol) for told in rule["ports"]) for rule in rules
    )


def _same(told: dict[str, Any], port: object, protocol: str) -> bool:
    return bool(told["port"] == port and told.get("protocol", "TCP") == protocol)


def _is(peer: dict[str, Any], other: dict[str, Any]) -> bool:
    block = peer.get("ipBlock")
    if (block is None) == ("address" in other):
        return False
    if block is not None:
        address = ipaddress.ip_address(other["address"])
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(hole) for hole in block.get("except", ()))
    own = "namespaceSelector" not in peer
    place = other["namespace"] == "own" if own else _has(other["namespace"], peer["namespaceSelector"])
    return place and _has(other["pod"], peer.get("podSelector", {}))


def _has(labels: Any, selector: dict[str, Any]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return bool(labels != "own" and selector.get("matchLabels", {}).items() <= labels.items())


APP = {"namespace": "own", "pod": {"app": "call-archiver"}}
STRANGER = {"namespace": {"kubernetes.io/metadata.name": "elsewhere"}, "pod": {"app": "call-archiver"}}


@each_source
def test_the_policy_is_about_the_pods_of_the_proxy_and_about_both_directions(name: str) -> None:
    manifests = source(name)
    spec = policy(manifests)
    assert spec["podSelector"]["matchLabels"].items() <= proxy(manifests)["spec"]["template"]["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    for rule in (*spec["ingress"], *spec["egress"]):
        assert rule.get("from", rule.get("to")), "a rule without peers would mean everybody"
        assert rule["ports"], "a rule without ports would mean all of them"


@each_source
def test_apps_reach_the_traffic_port_only(name: str) -> None:
    ingress = policy(source(name))["ingress"]
    labelled = {**STRANGER, "namespace": {"telephony": "true"}}
    app = labelled if name in {"everything", "overlays/example"} else APP
    assert lets(ingress, "from", app, "traffic")
    assert not lets(ingress, "from", app, "admin")
    assert not lets(ingress, "from", app, "gateway")
    assert not lets(ingress, "from", STRANGER, "traffic")
    assert not lets(ingress, "from", {"address": "8.8.8.8"}, "traffic")


@each_source
def test_prometheus_reaches_the_admin_port_only(name: str) -> None:
    ingress = policy(source(name))["ingress"]
    assert lets(ingress, "from", MONITORING, "admin")
    assert not lets(ingress, "from", MONITORING, "traffic")
    assert not lets(ingress, "from", STRANGER, "admin")


def test_gateways_reach_their_port_where_there_is_one() -> None:
    envoy = {"namespace": "own", "pod": {"app": "envoy"}}
    assert lets(policy(source("everything"))["ingress"], "from", envoy, "gateway")
    assert not lets(policy(source("everything"))["ingress"], "from", APP, "gateway")
    assert "gateway" not in {port["port"] for rule in policy(source("minimal"))["ingress"] for port in rule["ports"]}


PUBLIC = ("66.81.240.1", "8.8.8.8", "2600:1f18::1")
PRIVATE = ("10.0.0.1", "172.20.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "100.64.0.1", "fd00::1", "fe80::1", "::1")


@each_source
def test_vendors_are_public_addresses(name: str) -> None:
    egress = policy(source(name))["egress"]
    for address in PUBLIC:
        assert lets(egress, "to", {"address": address}, 443)
        assert not lets(egress, "to", {"address": address}, 80)
        assert not lets(egress, "to", {"address": address}, 53, "UDP")
    for address in PRIVATE:
        assert not lets(egress, "to", {"address": address}, 443)


@each_source
def test_names_are_looked_up_at_the_clusters_own_servers(name: str) -> None:
    egress = policy(source(name))["egress"]
    dns = {"namespace": SYSTEM, "pod": {"k8s-app": "kube-dns"}}
    assert lets(egress, "to", dns, 53, "UDP")
    assert lets(egress, "to", dns, 53, "TCP")
    assert not lets(egress, "to", {**dns, "pod": {"k8s-app": "dashboard"}}, 53, "UDP")
    assert not lets(egress, "to", APP, 443)


def test_valkey_and_the_proxy_reach_each_other_and_nobody_else() -> None:
    manifests = source("valkey")
    (valkey,) = (one["spec"] for one in manifests if one["kind"] == "NetworkPolicy" and component(one) == "valkey")
    labels = {component(one): one["spec"]["template"]["metadata"]["labels"] for one in manifests if one["kind"] == "Deployment"}
    own = {kind: {"namespace": "own", "pod": found} for kind, found in labels.items()}
    assert lets(policy(manifests)["egress"], "to", own["valkey"], 6379)
    assert not lets(policy(manifests)["egress"], "to", own["proxy"], 6379)
    assert lets(valkey["ingress"], "from", own["proxy"], "valkey")
    assert not lets(valkey["ingress"], "from", APP, "valkey")
    assert valkey["podSelector"]["matchLabels"].items() <= labels["valkey"].items()
    assert valkey["egress"] == []
    assert valkey["policyTypes"] == ["Ingress", "Egress"]
    assert "6379" not in str(policy(source("minimal"))["egress"])


def test_a_store_elsewhere_is_reached_at_its_address() -> None:
    egress = policy(source("existing-secrets"))["egress"]
    assert lets(egress, "to", {"address": "10.20.30.40"}, 6380)
    assert not lets(egress, "to", {"address": "10.20.30.41"}, 6380)


def test_no_peer_means_nobody() -> None:
    egress = policy(rendered("minimal", "--set-json", "networkPolicy.vendors=[]", "--set-json", "networkPolicy.monitoring=[]"))
    assert not lets(egress["egress"], "to", {"address": "8.8.8.8"}, 443)
    assert not lets(egress["ingress"], "from", MONITORING, "admin")


@each_source
def test_ports_named_in_rules_exist(name: str) -> None:
    manifests = source(name)
    ports = {port["name"] for port in container(manifests)["ports"]}
    assert {port["port"] for rule in policy(manifests)["ingress"] for port in rule["ports"]} <= ports


def test_it_can_be_left_out() -> None:
    assert not [one for one in rendered("valkey", "--set", "networkPolicy.enabled=false") if one["kind"] == "NetworkPolicy"]
    assert only(rendered("minimal"), "NetworkPolicy")
