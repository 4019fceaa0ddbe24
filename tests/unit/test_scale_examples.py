"""deploy/scale: the time-outs of replicas and load balancers fit each other, as docs/how-to/scale.md says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from proxy.settings import Loaded, load_settings

EXAMPLES = Path(__file__).parents[2] / "deploy" / "scale"
SECRETS = {"SCOPEGATE_SHARED_KEY": "ab" * 32, "SCOPEGATE_ADMIN_TOKEN_SHA256": "cd" * 32}


def replica() -> Loaded:
    loaded = load_settings(EXAMPLES / "scopegate.yaml", SECRETS)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded


def waits_s() -> float:
    """Return how long a replica may take until an app hears of a vendor that says nothing."""
    settings = replica().settings
    timeouts = settings.vendors["ringcentral"].timeouts
    return settings.limits.queue_wait_s + timeouts.connect_s + max(timeouts.response_head_s, timeouts.body_idle_s)


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) / (1000 if unit == "ms" else 1)


def envoy() -> tuple[Any, Any]:
    rows = yaml.safe_load((EXAMPLES / "envoy.yaml").read_text(encoding="utf-8"))["static_resources"]
    return rows["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"], rows["clusters"][0]


def haproxy(name: str) -> float:
    text = (EXAMPLES / "haproxy.cfg").read_text(encoding="utf-8")
    return seconds(re.findall(rf"\b{name} ([\d.]+m?s)\b", text)[0])


def test_idle_connections_end_at_the_balancer_first() -> None:
    _, cluster = envoy()
    (protocol,) = cluster["typed_extension_protocol_options"].values()
    kept = replica().settings.limits.keepalive_idle_s
    assert seconds(protocol["common_http_protocol_options"]["idle_timeout"]) < kept
    assert haproxy("pool-purge-delay") < kept


def test_apps_hear_of_a_silent_vendor_from_scopegate() -> None:
    manager, _ = envoy()
    safe, other = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert seconds(manager["stream_idle_timeout"]) > waits_s()
    assert seconds(safe["route"]["retry_policy"]["per_try_idle_timeout"]) > waits_s()
    assert [seconds(route["route"]["timeout"]) for route in (safe, other)] == [0, 0]
    assert haproxy("timeout server") > waits_s()


def test_the_health_check_notices_within_the_delay() -> None:
    _, cluster = envoy()
    (check,) = cluster["health_checks"]
    delay = replica().settings.limits.shutdown_delay_s
    assert check["unhealthy_threshold"] * (seconds(check["interval"]) + seconds(check["timeout"])) < delay
    assert haproxy("inter") + haproxy("fastinter") + 2 * haproxy("timeout connect") < delay


def test_only_safe_methods_are_sent_again_without_knowing_what_became_of_them() -> None:
    manager, _ = envoy()
    safe, other = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert safe["match"]["headers"] == [{"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}]
    assert "reset" in safe["route"]["retry_policy"]["retry_on"].split(",")
    assert set(other["route"]["retry_policy"]["retry_on"].split(",")) == {"connect-failure", "refused-stream", "reset-before-request"}
    assert "disable-l7-retry unless { method GET HEAD }" in (EXAMPLES / "haproxy.cfg").read_text(encoding="utf-8")
