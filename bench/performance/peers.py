"""The proxies that are measured, as data: what each is called, how it is started, and what it does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CONFIGS: Final = Path(__file__).parent / "configs"
WITH, WITHOUT = "bench-with", "bench-without"
"""The tokens that the origin gives: one may do everything that is asked, one may not."""
KEY: Final = "bench-key"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Peer:
    """One proxy. `words` are put into its configuration, and `@name@` stands for one in its command, too.

    `secure` is where its way to the HTTPS origin begins. `denial` is the path that it answers with 403 itself; where that is a path of the
    vendor's, the token without scopes makes it a denial. `asks` says that each request is decided by a Scopegate beside it.
    """

    key: str
    title: str
    does: str
    config: str
    command: tuple[str, ...]
    base: str = "http://127.0.0.1:@listen@"
    secure: str = "http://127.0.0.1:@secure@"
    ready: str = "http://127.0.0.1:@listen@/restapi/v1.0/up"
    denial: str = ""
    asks: bool = False
    words: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    headers: tuple[str, ...] = ()
    build: str = ""
    version: tuple[str, ...] = ()


CALL_LOG: Final = "/restapi/v1.0/account/~/call-log?dateFrom=2026-01-01"
RECORDING: Final = "/restapi/v1.0/account/~/recording/1/content"
FAX: Final = "/restapi/v1.0/account/~/extension/~/fax"
SLOW: Final = "/restapi/v1.0/account/~/call-log/slow"


def program(name: str) -> str:
    """Return where a program is: in the venvs of the measurement, or on the path."""
    places = (ROOT / ".venv-bench" / "bin" / name, ROOT / ".venv-bench-mitmproxy" / "bin" / name)
    return next((str(place) for place in places if place.exists()), shutil.which(name) or name)


def said_version(command: tuple[str, ...]) -> str:
    """Return the first version number that a command prints."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    except OSError:
        return "missing"
    found = re.search(r"\d+\.\d+\.\d+", ran.stdout + ran.stderr)
    return found[0] if found else "unknown"


# --- Scopegate ------------------------------------------------------------------------------------------

_LOGS = "decides, counts, writes its decision log"
_COMPILED: Final = str(ROOT / "build" / "bench")
_SERVE: Final = (sys.executable, "-m", "proxy", "serve", "--config", "@file@")


def _scopegate(
    key: str,
    title: str,
    does: str,
    build: str = _COMPILED,
    links: str = "true",
    more: str = "",
    options: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
) -> Peer:
    return Peer(
        key,
        title,
        does,
        "scopegate.yaml",
        (*_SERVE, *options),
        base="http://127.0.0.1:@listen@/ringcentral",
        secure="http://127.0.0.1:@listen@/secure",
        ready="http://127.0.0.1:@admin@/readyz",
        denial=CALL_LOG,
        words={"links": links, "more": more},
        environment={"PYTHONPATH": build, "PYTHONDONTWRITEBYTECODE": ""},  # an installation compiles its sources once, not at every start
        headers=headers,
        build=build,
        version=(sys.executable, "-m", "proxy", "--version"),
    )


_AUDITED: Final = """\
state: {path: state.db}
audit: {path: audit.jsonl}
clients:
  - name: bench
    authenticate: {api_key_sha256: @key_sha256@}
    allow:
      - {vendor: ringcentral, scopes: [ReadAccounts, ReadCallLog, ReadCallRecording, Faxes]}
      - {vendor: secure, scopes: [ReadAccounts, ReadCallLog, ReadCallRecording, Faxes]}
"""
OURS: Final = "scopegate"
SCOPEGATES: Final = (
    _scopegate(OURS, "Scopegate", f"{_LOGS}, rewrites links; compiled"),
    _scopegate("scopegate-interpreted", "Scopegate, interpreted", f"{_LOGS}, rewrites links; as it is installed", build=str(ROOT)),
    _scopegate("scopegate-links-off", "Scopegate, links left", f"{_LOGS}; `rewrite_links: false`; compiled", links="false"),
    _scopegate(
        "scopegate-audited",
        "Scopegate, audited",
        f"{_LOGS} and its audit log, rewrites links, keeps knowledge on disk, knows the app by its key, holds it to its rules; compiled",
        more=_AUDITED,
        headers=(f"Scopegate-Key: {KEY}",),
    ),
)
DECIDER: Final = _scopegate(
    "decider", "Scopegate beside a gateway", "decides, counts, logs; compiled", more='gateway_adapters: {listen: "127.0.0.1:@adapters@"}'
)


def workers(count: int) -> Peer:
    """Return Scopegate with so many workers."""
    return _scopegate(f"workers-{count}", f"Scopegate, {count} workers", _LOGS, options=("--workers", str(count)))


# --- the others -----------------------------------------------------------------------------------------

_NGINX: Final = ("nginx", "-c", "@file@", "-p", "@directory@", "-e", "@directory@/error.log")
_NGINX_ASK: Final = "auth_request /_ask; error_page 403 = /_denial; auth_request_set $decision $upstream_http_scopegate_decision_id;"
_NGINX_ASKING: Final = """\
location = /_ask {
      internal; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection "";
      proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
      proxy_pass http://decider/gateway/vendor/ringcentral/nginx;
    }
    location = /_denial {
      internal; proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection "";
      proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
      proxy_set_header Scopegate-Decision-Id $decision; proxy_pass http://decider/gateway/vendor/ringcentral/nginx/deny;
    }"""
_ENVOY: Final = (program("envoy"), "-c", "@file@", "--concurrency", "1", "-l", "off", "--disable-hot-restart")
_ENVOY_ASK: Final = """\
- name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              status_on_error: {code: ServiceUnavailable}
              allowed_headers: {patterns: [{exact: x-request-id, ignore_case: true}, {exact: x-http-method-override, ignore_case: true}]}
              http_service:
                server_uri: {uri: "http://127.0.0.1:@adapters@", cluster: decider, timeout: 5s}
                path_prefix: /gateway/vendor/ringcentral/envoy"""
_CADDY: Final = (program("caddy"), "run", "--config", "@file@", "--adapter", "caddyfile")
_CADDY_ASK: Final = """\
forward_auth 127.0.0.1:@adapters@ {
		uri /gateway/vendor/ringcentral/caddy
		transport http {
			keepalive 2s
			keepalive_idle_conns_per_host 256
		}
	}"""
_TRAEFIK: Final = (
    program("traefik"),
    "--entryPoints.plain.address=127.0.0.1:@listen@",
    "--entryPoints.secure.address=127.0.0.1:@secure@",
    "--providers.file.filename=@file@",
    "--global.checkNewVersion=false",
    "--global.sendAnonymousUsage=false",
)
_MITMPROXY: Final = (
    program("mitmdump"),
    *("--mode", "reverse:http://127.0.0.1:@origin@@127.0.0.1:@listen@"),
    *("--mode", "reverse:https://localhost:@secure_origin@@127.0.0.1:@secure@"),
    *("--set", "confdir=@directory@", "--set", "ssl_verify_upstream_trusted_ca=@ca@"),
    *("--set", "flow_detail=0", "--set", "stream_large_bodies=1m", "-q"),
)
_QUIET: Final = "one worker, logs nothing"
_ASKS: Final = "one worker, logs nothing, asks Scopegate about every request; both processes counted"
OTHERS: Final = (
    Peer("nginx", "nginx", f"`proxy_pass`; {_QUIET}", "nginx.conf", _NGINX, denial="/denied", words={"ask": "", "asking": ""},
         version=("nginx", "-v")),
    Peer("haproxy", "HAProxy", _QUIET, "haproxy.cfg", ("haproxy", "-db", "-f", "@file@"), denial="/denied", version=("haproxy", "-v")),
    Peer("envoy", "Envoy", f"router only, `direct_response`; {_QUIET}", "envoy.yaml", _ENVOY, denial="/denied", words={"ask": ""},
         version=(program("envoy"), "--version")),
    Peer("caddy", "Caddy", f"`reverse_proxy`; {_QUIET}", "Caddyfile", _CADDY, denial="/denied", words={"ask": ""},
         version=(program("caddy"), "version")),
    Peer("traefik", "Traefik", _QUIET, "traefik.yaml", _TRAEFIK, words={"ask": ""}, version=(program("traefik"), "version")),
    Peer("mitmproxy", "mitmproxy", "`mitmdump` in reverse mode, no addons, quiet, streams large bodies", "", _MITMPROXY,
         version=(program("mitmdump"), "--version")),
    Peer("envoy-asking", "Envoy, `ext_authz`", _ASKS, "envoy.yaml", _ENVOY, denial=CALL_LOG, asks=True, words={"ask": _ENVOY_ASK},
         version=(program("envoy"), "--version")),
    Peer("nginx-asking", "nginx, `auth_request`", _ASKS, "nginx.conf", _NGINX, denial=CALL_LOG, asks=True,
         words={"ask": _NGINX_ASK, "asking": _NGINX_ASKING}, version=("nginx", "-v")),
    Peer("caddy-asking", "Caddy, `forward_auth`", _ASKS, "Caddyfile", _CADDY, denial=CALL_LOG, asks=True, words={"ask": _CADDY_ASK},
         version=(program("caddy"), "version")),
    Peer("traefik-asking", "Traefik, `forwardAuth`", _ASKS, "traefik.yaml", _TRAEFIK, denial=CALL_LOG, asks=True,
         words={"ask": "scopegate"}, version=(program("traefik"), "version")),
)  # fmt: skip
DIRECT: Final = Peer("origin", "the origin itself", "no proxy", "", ())
PEERS: Final = (*SCOPEGATES, *OTHERS)
