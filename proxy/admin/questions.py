"""Reads what an operator asks, strictly: an unknown parameter or a bad value is a problem that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import orjson
from multidict import MultiMapping

from proxy.admin.answers import Problem
from proxy.admin.backend import Question
from proxy.credentials import FINGERPRINT_BYTES, Fingerprint
from proxy.protocol.targets import BadTarget, Target, parse_target

MAX_TEXT: Final = 256
_MAX_PATH: Final = 16_384
_MAX_SCOPES: Final = 1000
_FINGERPRINT: Final = re.compile(rf"[0-9a-f]{{{2 * FINGERPRINT_BYTES}}}")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_QUESTION_MEMBERS: Final = ("vendor", "method", "path", "scopes", "fingerprint", "subject", "client")


def bad_request(reason: str, detail: str) -> Problem:
    """Return the problem of a request that must be written differently."""
    return Problem(400, reason, detail)


class Parameters:
    """The query parameters of one request; only `allowed` ones, each at most once."""

    def __init__(self, query: MultiMapping[str], allowed: Iterable[str]) -> None:
        names = tuple(allowed)
        if not set(query) <= set(names):
            raise bad_request("unknown_parameter", f"this path takes only these query parameters: {', '.join(names) or 'none'}")
        repeated = [name for name in names if len(query.getall(name, [])) > 1]
        if repeated:
            raise bad_request("repeated_parameter", f"give the query parameter '{repeated[0]}' only once")
        self._query = query

    def text(self, name: str) -> str:
        """Return a parameter's text, or "" where it is not there."""
        value = self._query.get(name, "")
        if len(value) > MAX_TEXT or (name in self._query and not value):
            raise bad_request("bad_parameter", f"the query parameter '{name}' takes 1 to {MAX_TEXT} characters; leave it out to match all")
        return value

    def choice(self, name: str, choices: Iterable[str]) -> str:
        """Return a parameter that is one of `choices`, or "" where it is not there."""
        value, allowed = self.text(name), tuple(choices)
        if value and value not in allowed:
            raise bad_request("bad_parameter", f"the query parameter '{name}' must be one of: {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int, highest: int) -> int:
        """Return a parameter that is a number from 1 to `highest`."""
        value = self.text(name) or str(default)
        if not (value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= highest):
            raise bad_request("bad_parameter", f"the query parameter '{name}' must be a whole number from 1 to {highest}")
        return int(value)


def read_fingerprint(text: str) -> Fingerprint:
    """Read the 32 hexadecimal digits that name a token."""
    if _FINGERPRINT.fullmatch(text) is None:
        raise bad_request("bad_fingerprint", "a fingerprint has 32 lower-case hexadecimal digits; GET /api/v1/grants lists them")
    return bytes.fromhex(text)


def read_question(body: bytes, vendors: tuple[str, ...]) -> Question:
    """Read the body of `POST /api/v1/explain`."""
    return question_of(read_object(body), vendors)


def question_of(members: Mapping[str, object], vendors: tuple[str, ...]) -> Question:
    """Read the members of a question."""
    unknown = [name for name in members if name not in _QUESTION_MEMBERS]
    if unknown:
        raise bad_request("unknown_member", f"the body takes only these members: {', '.join(_QUESTION_MEMBERS)}")
    vendor = _text(members, "vendor", required=True)
    if vendor not in vendors:
        raise bad_request("unknown_vendor", f"'vendor' must be one of the configured vendors: {', '.join(vendors)}")
    fingerprint = _text(members, "fingerprint")
    scopes = read_scopes(members.get("scopes"))
    if fingerprint and scopes is not None:
        raise bad_request("two_subjects", "give 'scopes' or 'fingerprint', not both: they are two ways to say what the token may do")
    return Question(
        vendor=vendor,
        method=_method(_text(members, "method", required=True)),
        target=_target(_text(members, "path", required=True, longest=_MAX_PATH)),
        scopes=scopes,
        fingerprint=read_fingerprint(fingerprint) if fingerprint else None,
        subject=_text(members, "subject"),
        client=_text(members, "client"),
    )


def read_object(body: bytes) -> Mapping[str, object]:
    """Read a body that must be a JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise bad_request(
            "bad_json", 'the body must be a JSON object, such as {"vendor": "…", "method": "GET", "path": "/…", "scopes": "A B"}'
        )
    return value


def _text(members: Mapping[str, object], name: str, *, required: bool = False, longest: int = MAX_TEXT) -> str:
    value = members.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value or len(value) > longest:
        raise bad_request("bad_member", f"'{name}' must be a string of 1 to {longest} characters")
    return value


def _method(method: str) -> str:
    if _METHOD.fullmatch(method) is None:
        raise bad_request("bad_member", "'method' must be an HTTP method in capital letters, such as GET")
    return method


def _target(path: str) -> Target:
    target = parse_target(path.encode("utf-8", "surrogatepass"))
    if isinstance(target, BadTarget):
        raise bad_request("bad_target", f"'path' would be refused before any decision ({target.reason}): {target.detail}")
    return target


def read_scopes(value: object) -> frozenset[str] | None:
    """Read scopes as one string separated by blanks (as OAuth 2.0 writes them), or as a list of strings."""
    if value is None:
        return None
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > _MAX_SCOPES or not all(isinstance(name, str) and name for name in names):
        raise bad_request("bad_member", f"'scopes' must be a string of names separated by blanks, or a list of at most {_MAX_SCOPES} names")
    return frozenset(names)
