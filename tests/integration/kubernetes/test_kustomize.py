"""The Kustomize base is what the chart renders with ci/as-kustomize.yaml: there is one design, written down twice."""

from __future__ import annotations

from typing import Any

from tests.integration.kubernetes.rendering import Manifest, configuration, container, every, only, pod, rendered, source

HELMS_OWN = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "checksum/configuration",
}


def plain(value: Any) -> Any:
    """Leave out what only a release has: its labels, and the tag of the image."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in HELMS_OWN}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return "scopegate" if value == "scopegate:0.1.0" else value


def by_name(manifests: list[Manifest]) -> dict[str, Any]:
    found = {f"{one['kind']}/{one['metadata']['name']}": plain(one) for one in manifests}
    for one in found.values():
        one["metadata"].pop("namespace", None)
    return found


def test_the_base_is_what_the_chart_renders() -> None:
    base, chart = by_name(source("base")), by_name(rendered("as-kustomize"))
    for found in (base, chart):
        found["ConfigMap/scopegate"].pop("data")
    assert base == chart
    assert configuration(source("base")) == configuration(rendered("as-kustomize"))


def test_the_configuration_changes_in_place() -> None:
    """With a hash in its name, a change would make another ConfigMap, and restart every pod."""
    assert only(source("overlays/example"), "ConfigMap")["metadata"]["name"] == "scopegate"


def test_an_overlay_says_what_is_its_own() -> None:
    manifests = source("overlays/example")
    assert {one["metadata"]["namespace"] for one in manifests} == {"telephony"}
    assert container(manifests)["image"] == "registry.example.com/scopegate:0.1.0"
    assert [client["name"] for client in configuration(manifests)["clients"]] == ["call-archiver"]
    assert {volume["name"] for volume in pod(manifests)["volumes"]} == {"config", "secret-admin", "data", "apps"}


def test_components_are_what_the_chart_renders() -> None:
    chart = rendered("as-kustomize", *(option for part in PARTS for option in ("--set", f"{part}.enabled=true")))
    overlay = source("overlays/example")
    for kind in ("HorizontalPodAutoscaler", "PrometheusRule", "ServiceMonitor"):
        (own,), (expected,) = (list(every(found, kind)) for found in (overlay, chart))
        expected["spec"].pop("namespaceSelector", None)  # its own namespace is what an operator takes anyway
        assert plain(own["spec"]) == plain(expected["spec"])


PARTS = ("autoscaling", "serviceMonitor", "prometheusRule")
