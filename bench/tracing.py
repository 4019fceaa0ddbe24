"""What tracing costs: CPU per forwarded request of four Scopegates, asked in turn: without spans, and with those of some or all requests.

Run `.venv/bin/python -m bench.tracing`. It needs nginx, wrk and two cores. nginx is both vendor and collector. What is compared is user
plus system time of the proxy's process, the exporting thread included, as ratios within each round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.performance import parsing
from bench.performance.processes import LOAD_CORE, PEER_CORE, cpu_ns, pinned, running

ORIGIN: Final = 19_340
KINDS: Final = {"no spans": "", "ratio: 0": "ratio: 0", "ratio: 0.1": "ratio: 0.1", "ratio: 1": "ratio: 1"}
_PATH: Final = "/ringcentral/restapi/v1.0/account/~/call-log?dateFrom=2026-01-01"
_ROOT: Final = Path(__file__).parent.parent
_NGINX: Final = """
worker_processes 1; daemon off; pid {at}/pid; error_log {at}/error;
events {{ }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{answer}'; }} }}
}}
"""
_SCOPEGATE: Final = {
    "kind": "ringcentral",
    "mount": {"path": "/ringcentral"},
    "upstream": f"http://127.0.0.1:{ORIGIN}",
    "rewrite_links": False,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One proxy that is measured."""

    kind: str
    port: int
    pid: int

    def cost_us(self, connections: int, seconds: int) -> float:
        """Ask for some seconds; return CPU microseconds per request."""
        before = cpu_ns([self.pid])
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-H",
            "Authorization: bearer bench",
            f"http://127.0.0.1:{self.port}{_PATH}",
        ]
        printed = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
        answered = parsing.wrk(printed, 2)
        if refused := answered.refused(2):
            sys.exit(refused)
        return (cpu_ns([self.pid]) - before) / answered.requests / 1e3


def configuration(port: int, ratio: str) -> str:
    """Return the configuration of one proxy; JSON is YAML too."""
    settings = {"listen": f"127.0.0.1:{port}", "admin": {"listen": f"127.0.0.1:{port + 1}"}, "vendors": {"ringcentral": _SCOPEGATE}}
    more = f"tracing: {{otlp: {{endpoint: 'http://127.0.0.1:{ORIGIN}', {ratio}}}}}\n" if ratio else ""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()) + more


def wait_for(url: str) -> None:
    """Wait until something answers, for at most twenty seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=1).read()
            return
        time.sleep(0.05)
    sys.exit(f"nothing answers at {url}")


def start(stack: contextlib.ExitStack, at: Path) -> list[Case]:
    """Start nginx and one proxy of each kind."""
    answer = json.dumps({"records": "x" * 1000})
    (at / "nginx.conf").write_text(_NGINX.format(at=at, port=ORIGIN, answer=answer))
    stack.enter_context(running(LOAD_CORE, ["nginx", "-c", str(at / "nginx.conf"), "-p", str(at)], at, subprocess.DEVNULL))
    wait_for(f"http://127.0.0.1:{ORIGIN}/")
    cases = []
    for number, (kind, ratio) in enumerate(KINDS.items()):
        port, file = ORIGIN + 2 + 2 * number, at / f"{number}.yaml"
        file.write_text(configuration(port, ratio))
        lines = stack.enter_context((at / f"{number}.jsonl").open("wb"))
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(file)]
        process = stack.enter_context(running(PEER_CORE, command, at, lines, {"PYTHONPATH": str(_ROOT)}))
        wait_for(f"http://127.0.0.1:{port + 1}/readyz")
        cases.append(Case(kind, port, process.pid))
    return cases


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        cases = start(stack, Path(name))
        for number in range(given.rounds + 1):
            for case in cases:
                cost = case.cost_us(given.connections, given.seconds)
                if number:  # the first round warms up
                    costs[case.kind].append(cost)
    for kind, found in costs.items():
        ratio = statistics.median(cost / base for cost, base in zip(found, costs["no spans"], strict=True))
        print(f"{kind:12} {statistics.median(found):7.1f} µs  {ratio:5.2f} of no spans")


if __name__ == "__main__":
    main()
