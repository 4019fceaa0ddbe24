"""A change of the values restarts pods where the proxy needs it, and nowhere else."""

from __future__ import annotations

import pytest

from proxy.settings.restarts import AT_START, LIVE, SWITCHED_AT_START
from tests.integration.kubernetes.rendering import configuration, proxy, rendered

SPANS = "config.tracing.otlp.endpoint=http://collector:4318,config.tracing.otlp.interval_s"
RESTARTS: dict[tuple[str, ...], tuple[str, str]] = {
    ("listen",): ("listenAddress=0.0.0.0", "listenAddress=127.0.0.1"),
    ("admin", "listen"): ("listenAddress=0.0.0.0", "listenAddress=127.0.0.1"),
    ("gateway_adapters",): ("gateway.enabled=false", "gateway.enabled=true"),
    ("state", "key"): ("state.keySecret.name=a", "state.keySecret.name=a,state.keySecret.key=other"),
    ("state", "max_bytes"): ("config.state.max_bytes=2000000", "config.state.max_bytes=3000000"),
    ("audit",): ("config.audit.keep_files=1", "config.audit.keep_files=2"),
    ("shared_state",): ("config.shared_state.stale_s=1", "config.shared_state.stale_s=2"),
    ("log",): ("config.log.decisions=true", "config.log.decisions=false"),
    ("workers",): ("config.workers=1", "config.workers=2"),
    ("tls",): ("tls.secretName=", "tls.secretName=pair"),
    ("admin", "tls"): ("admin.tls.secretName=", "admin.tls.secretName=pair"),
    ("state",): ("state.enabled=true", "state.enabled=false"),
    ("tracing", "otlp"): (f"{SPANS}=1", f"{SPANS}=2"),
}
"""For each setting that the proxy reads at its start only: values before and after a change of it."""
STAYS = {("state", "path"): "the chart says it, and it never changes"}

LIVE_CHANGES: dict[tuple[str, ...], str] = {
    ("mode",): "config.mode=shadow",
    ("public_url",): "config.public_url=https://other.example.com",
    ("vendors",): "config.vendors.ringcentral.upstream=https://platform.devtest.ringcentral.com",
    ("clients",): "config.clients[0].name=a,config.clients[0].authenticate.api_key_sha256=${A}",
    ("issuers",): "config.issuers[0].issuer=https://a.example,config.issuers[0].audience[0]=a,config.issuers[0].jwks_file=a",
    ("limits",): "config.limits.max_headers=50",
    ("readiness",): "config.readiness.min_scored_calls=50",
    ("tracing", "pass_to_vendor"): "config.tracing.pass_to_vendor=false",
    ("state", "usage_retention_days"): "config.state.usage_retention_days=30",
}
"""For each setting that changes while the proxy runs: a change of it. What is in `tls` is followed file by file."""


def checksum(*options: str) -> str:
    annotations = proxy(rendered("minimal", *(word for option in options for word in ("--set", option))))["spec"]["template"]["metadata"]
    return str(annotations["annotations"].get("checksum/configuration"))


def test_the_chart_knows_which_settings_need_a_restart() -> None:
    assert RESTARTS.keys() | STAYS.keys() == {*AT_START, *SWITCHED_AT_START}
    assert LIVE_CHANGES.keys() | {("tls",), ("admin", "tls"), ("admin", "token_sha256")} == set(LIVE)


@pytest.mark.parametrize("path", RESTARTS, ids=".".join)
def test_a_change_that_needs_a_restart_restarts_the_pods(path: tuple[str, ...]) -> None:
    before, after = RESTARTS[path]
    assert checksum(before) != checksum(after)


@pytest.mark.parametrize("path", LIVE_CHANGES, ids=".".join)
def test_a_change_that_the_proxy_takes_over_restarts_nothing(path: tuple[str, ...]) -> None:
    change = LIVE_CHANGES[path]
    assert proxy(rendered("minimal"))["spec"] == proxy(rendered("minimal", "--set", change))["spec"]
    assert configuration(rendered("minimal")) != configuration(rendered("minimal", "--set", change))


def test_which_changes_restart_can_be_said() -> None:
    always, never = "restartOnConfigChange=always", "restartOnConfigChange=never"
    assert checksum(always) != checksum(always, "config.mode=shadow")
    assert checksum(never) == checksum(never, "config.log.decisions=false") == "None"


def test_a_new_version_of_the_chart_alone_restarts_nothing() -> None:
    assert "helm.sh/chart" not in proxy(rendered("minimal"))["spec"]["template"]["metadata"]["labels"]
    assert "helm.sh/chart" in proxy(rendered("minimal"))["metadata"]["labels"]
