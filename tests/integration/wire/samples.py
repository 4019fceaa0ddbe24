"""Requests in one line."""

from __future__ import annotations

import base64
import json

STAMPS = ("Scopegate-Answered-By", "Scopegate-Decision", "Scopegate-Decision-Id", "X-Request-ID")


def get(path: str = "/thing", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return post(path, b"", *fields, method=method, version=version)


def post(path: str = "/thing", body: bytes = b"", *fields: str, method: str = "POST", version: str = "1.1") -> bytes:
    """One request; a body brings its length along."""
    lines = [f"{method} /acme{path} HTTP/{version}", "Host: proxy.example", *fields]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(path: str, coded: bytes, *fields: str) -> bytes:
    """A POST whose chunked body is given as it travels."""
    return get(path, "Transfer-Encoding: chunked", *fields, method="POST") + coded


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


POWERLESS = f"Authorization: Bearer {_part({'alg': 'none'})}.{_part({'scope': 'something:else'})}.c2ln"
"""A token that tells of itself that it holds another scope than `/calls` needs."""
