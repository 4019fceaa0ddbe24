"""What wrk and h2load print, and a made-up run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.performance.results import About, Reading, Run

WRK = """\
Running 1s test @ http://127.0.0.1:18999/no
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   559.26us    0.95ms   6.38ms   83.56%
    Req/Sec    23.44k    16.78k   53.79k    81.82%
  25593 requests in 1.10s, 3.81MB read
{more}Requests/sec:  23267.13
Transfer/sec:      3.46MB
"""
H2LOAD = """\
starting benchmark...
progress: 100% done

finished in {time}, 2123.59 req/s, 323.52KB/s
requests: {total} total, {total} started, {done} done, {ok} succeeded, {no} failed, {errored} errored, 0 timeout
status codes: {ok} 2xx, 0 3xx, {no} 4xx, 0 5xx
traffic: 1.52KB (1560) total, 1.05KB (1080) headers (space savings 0.00%), 20B (20) data
"""
PEERS = {
    "scopegate": {"title": "Scopegate", "does": "decides", "version": "0.1.0"},
    "nginx": {"title": "nginx", "does": "`proxy_pass`", "version": "1.22.1"},
    "envoy": {"title": "Envoy", "does": "routes", "version": "1.40.0"},
    "envoy-asking": {"title": "Envoy, `ext_authz`", "does": "asks", "version": "1.40.0"},
}


def costs(scenario: str, peer: str, figure: str, *values: float) -> list[Reading]:
    return [Reading(scenario, peer, number, {figure: value}) for number, value in enumerate(values, 1)]


def run(readings: Sequence[Reading]) -> Run:
    about = About("make bench", "2026-11-22 12:00 UTC", "2 cores", "Debian", "3.11.7", "abc", 0.01, {"wrk": "4.1.0"}, PEERS, 600)
    return Run(about, readings)
