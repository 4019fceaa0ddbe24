"""The programs that are compared: each a plain reverse proxy with stock settings, in a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0

NGINX = """\
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  server {{ listen 127.0.0.1:{listen}; location / {{ proxy_pass http://127.0.0.1:{origin}; }} }}
}}
"""
HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend f
  bind 127.0.0.1:{listen}
  default_backend b
backend b
  server s 127.0.0.1:{origin}
"""
CADDY = """\
{{
  admin off
  auto_https off
  persist_config off
}}
http://:{listen} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{origin}
}}
"""
ENVOY = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {listen}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: differential
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: origin}}}}]}}
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
SCOPEGATE = """\
listen: 127.0.0.1:{listen}
admin: {{listen: "127.0.0.1:{admin}"}}
vendors:
  origin: {{kind: generic, mount: {{host: proxy.example}}, upstream: "http://127.0.0.1:{origin}", catalog: catalog.yaml}}
"""
CATALOG = """\
vendor: generic
source: made up for the comparison
token_in: {header: Authorization, scheme: Bearer}
operations:
  - {id: thing, method: GET, path: /thing, requires: [], auth: none, origin: documented}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program: its name, how it is started, and what it says of its version."""

    name: str
    file: str
    text: str
    command: Callable[[Path], list[str]]
    version: Callable[[], str]


def _said(*command: str) -> str:
    """Return the first version number that a command prints."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=ROOT)
    found = re.search(r"\d+\.\d+\.\d+(?:[-+~][\w.+~-]*\w)?", ran.stdout + ran.stderr)
    return found[0] if found else "unknown"


def _program(name: str) -> str:
    local = ROOT / ".venv-bench" / "bin" / name
    return str(local) if local.exists() else shutil.which(name) or name


PEERS: Final = (
    Peer("Scopegate", "scopegate.yaml", SCOPEGATE, lambda file: [sys.executable, "-m", "proxy", "serve", "--config", str(file)],
         lambda: _said(sys.executable, "-m", "proxy", "--version")),
    Peer("Envoy", "envoy.yaml", ENVOY, lambda file: [_program("envoy"), "-c", str(file), "--concurrency", "1", "-l", "off"],
         lambda: _said(_program("envoy"), "--version")),
    Peer("HAProxy", "haproxy.cfg", HAPROXY, lambda file: ["haproxy", "-db", "-f", str(file)], lambda: _said("haproxy", "-v")),
    Peer("Caddy", "Caddyfile", CADDY, lambda file: [_program("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"],
         lambda: _said(_program("caddy"), "version")),
    Peer("nginx", "nginx.conf", NGINX, lambda file: ["nginx", "-c", str(file), "-p", str(file.parent)], lambda: _said("nginx", "-v")),
)  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextlib.contextmanager
def running(peer: Peer, directory: Path, origin: int) -> Iterator[int]:
    """Run a peer in front of an origin; yield its port, and end it by its own id."""
    listen, admin = free_ports(2)
    directory.mkdir()
    (directory / "catalog.yaml").write_text(CATALOG)
    file = directory / peer.file
    file.write_text(peer.text.format(listen=listen, admin=admin, origin=origin, directory=directory))
    environment = {**os.environ, "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(peer.command(file), stdout=output, stderr=output, cwd=directory, env=environment)
        try:
            _wait_for(listen, process)
            yield listen
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"does not listen: {process.args!r}")
