"""Asks a running proxy through its admin API, for commands that need what only it knows."""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import click

ADMIN_TOKEN: Final = "SCOPEGATE_ADMIN_TOKEN"  # noqa: S105 - a name, not a secret
"""The environment variable with the admin token: on a command line, everybody on the machine could read it."""
TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 16 * 1024 * 1024
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,32}")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The proxy did not answer what was asked; `detail` says why, `status` is that of its answer, 0 where there was none."""

    detail: str
    status: int = 0


Answer = Mapping[str, Any] | NoAnswer


def check_fingerprint(text: str) -> str:
    """Return a fingerprint, or its beginning (the decision log shows 12 digits); raise a usage error."""
    if _FINGERPRINT.fullmatch(text) is None:
        message = "must be 8 to 32 hexadecimal digits, as /api/v1/grants or the decision log shows them"
        raise click.BadParameter(message, param_hint="--token-fingerprint")
    return text


def explain_for_token(admin: str, vendor: str, fingerprint: str, method: str, path: str, client: str = "") -> Answer:
    """Ask for a decision about a token that the proxy has seen; `fingerprint` may be the beginning of one."""
    found = ask(admin, "GET", f"/api/v1/grants?{urlencode({'vendor': vendor, 'fingerprint': fingerprint, 'limit': 2})}")
    if isinstance(found, NoAnswer):
        return found
    matching = [grant["fingerprint"] for grant in found["grants"]]
    if len(matching) != 1:
        several = "several known tokens begin with these digits; give more of them"
        return NoAnswer(several if matching else "no such token is known there", 404)
    question = {"vendor": vendor, "method": method, "path": path, "fingerprint": matching[0]} | ({"client": client} if client else {})
    return ask(admin, "POST", "/api/v1/explain", question)


def fetch_report(admin: str, name: str, question: Mapping[str, str]) -> Answer:
    """Ask for a report as JSON members; `question` are the query parameters."""
    return ask(admin, "GET", f"/api/v1/reports/{name}?{urlencode(question)}")


def ask(admin: str, method: str, path: str, question: Mapping[str, str] | None = None) -> Answer:
    """Ask the admin listener at `admin`; return the JSON object that it answers."""
    connection = _connection(admin)
    body = None if question is None else json.dumps(question)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **_credential()})
        response = connection.getresponse()
        return _read(response.status, response.read(MAX_ANSWER))
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return NoAnswer(f"no admin listener answers at {admin}: {why}")
    finally:
        connection.close()


def _credential() -> dict[str, str]:
    token = os.environ.get(ADMIN_TOKEN, "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _connection(admin: str) -> http.client.HTTPConnection:
    """Return a connection, not dialled yet, to `http://HOST:PORT`, `https://…` or `HOST:PORT`."""
    try:
        parts = urlsplit(admin if "://" in admin else f"http://{admin}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.query:
        raise click.BadParameter("must be the address of an admin listener, such as http://127.0.0.1:9090", param_hint="--admin")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(host, port, timeout=TIMEOUT_S)


def _read(status: int, body: bytes) -> Answer:
    try:
        members = json.loads(body)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        return NoAnswer("whoever listens there is no admin listener of scopegate", status)
    return members if status == 200 else NoAnswer(str(members.get("detail", "no reason was given")), status)
