"""RingCentral: scopes come with every token answer, a refusal names the one app permission that is missing.

Pure. Sources: the call-log access-control page (refusal bodies, `scope` split at white space) and RingCentral's API
documentation (method override, token answer, session-wide revocation, CMN-408).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from proxy.catalogs.catalog import Match
from proxy.credentials import Secret
from proxy.model import Grants, Lack, RefusalTemplate, Source, TokenEndpoint, TokenPlace
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Ended, Fact, Issued, Lacks
from proxy.vendors.forms import as_seconds, as_secret, as_text, read_form, read_object, scope_names
from proxy.vendors.logins import endpoint_at, read_issue, read_login, told_scopes, with_scopes
from proxy.vendors.rate_budget import RateFields
from proxy.vendors.refusals import METHOD_OVERRIDE, BadRequest, Denial, Refusal
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Seen, Verdict, Watch, plain_kind

TOKEN_ENDPOINTS: Final = (TokenEndpoint("/restapi/oauth/token"),)
SESSION_INFO_PATH: Final = "/restapi/oauth/session-info"
"""Tells client, session and permissions of a token. RingCentral published it in its SDKs; its API reference has it no more."""
REVOKE_PATH: Final = "/restapi/oauth/revoke"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods an override may name, in the spelling of RFC 9110 section 9.1."""
RATE_FIELDS: Final = RateFields(
    "x-rate-limit-group", "x-rate-limit-limit", "x-rate-limit-remaining", frozenset({"light", "medium", "heavy", "auth"})
)
"""RingCentral's API guide on rate limits: each group of operations has its own limit."""

_OVERRIDE = "x-http-method-override"
_SCOPE_NAME = re.compile(r"[A-Za-z0-9]{1,64}")
_NEEDS = "In order to call this API endpoint, application needs to have [{}] permission"
_NO_APP_PERMISSION = "CMN-401"
_NO_USER_PERMISSION = "CMN-408"


class RingCentral(Vendor):
    """The questions of `base.Vendor`, answered for RingCentral's platform API."""

    kind: ClassVar[str] = "ringcentral"
    heeded = frozenset(("_method",))
    rate_fields: ClassVar[RateFields | None] = RATE_FIELDS

    @property
    def title(self) -> str:
        """The vendor's name as people write it."""
        return "RingCentral"

    def token_place(self) -> TokenPlace:
        """The bearer header, or `?access_token=`."""
        return self.catalog.token_in or TokenPlace(query_parameter="access_token")

    def effective_method(self, method: str, target: Target, headers: Mapping[str, bytes]) -> str | BadRequest:
        """The overriding method of a POST; BadRequest where two readers could act on different methods.

        RingCentral documents overrides on POST only. On another method one that differs is refused, not ignored: should the
        vendor honour it after all, the wrong operation would have been judged.
        """
        query = target.query
        if not headers and (query is None or ("_method" not in query and "%" not in query)):
            return method  # nearly every request: neither a field nor a parameter could name another method
        if any("_" in name and name.lower().replace("_", "-") == _OVERRIDE for name in headers):
            return BadRequest(METHOD_OVERRIDE, "a header that some servers read as X-HTTP-Method-Override is spelled with underscores")
        values = {*_header_override(headers), *target.parameters("_method")}
        if not values:
            return method
        if len(values) > 1:
            return BadRequest(METHOD_OVERRIDE, "the request names several overriding methods")
        return _overridden(method, values.pop())

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:  # noqa: ARG002 - the path alone tells
        """Both sides of logins, refreshes and revocations."""
        login = endpoint_at(self._token_endpoints, method, target.path) is not None
        return EVERY_BODY if login or _is_revocation(method, target) else NO_WATCH

    @property
    def _token_endpoints(self) -> tuple[TokenEndpoint, ...]:
        return self.catalog.token_endpoints or TOKEN_ENDPOINTS

    def discovery_path(self) -> str:
        """The session information."""
        return SESSION_INFO_PATH

    def read_discovery(self, token: Secret, body: bytes, lifetime: float) -> Issued | None:
        """All permissions of the token; nothing unless the answer names its client and session and at least one permission.

        It does not tell when the token ends, so it is believed no longer than what is learned otherwise, nor than the session.
        """
        told = read_object(body)
        if told is None or as_text(told.get("client_id")) is None:
            return None
        session, left = as_text(told.get("session_id")), as_seconds(told.get("session_expires_in", lifetime))
        subject = as_text(told["sub"]) if "sub" in told else ""
        names = scope_names(told.get("scope")) if isinstance(told.get("scope"), str) else None
        if session is None or left is None or subject is None or not names:
            return None
        grants = Grants(scopes=self.catalog.canonical(names), complete=True)
        return Issued(token, grants, Source.DISCOVERY, min(left, lifetime), subject, session=session)

    def classify(self, seen: Seen) -> Verdict:
        """PERMISSION for CMN-401 (an app permission: about a scope) and CMN-408 (a user's own: not about one)."""
        report = read_report(seen)
        if report is None or seen.status != 403:
            return Verdict(plain_kind(seen.status))
        if _NO_USER_PERMISSION in report.codes:
            return Verdict(ResponseKind.PERMISSION)
        if report.names_app_permission:
            return Verdict(ResponseKind.PERMISSION, about_scope=True)
        return Verdict(plain_kind(seen.status))

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        """The scopes of a new token, the end of a session, or the app permission a refusal names."""
        endpoint = endpoint_at(self._token_endpoints, seen.method, seen.target.path)
        fact: Fact | None
        if endpoint is not None:
            fact = self._issued(endpoint, seen)
        elif _is_revocation(seen.method, seen.target):
            fact = _ended(seen)
        else:
            fact = self._lacks(seen)
        return () if fact is None else (fact,)

    def _issued(self, endpoint: TokenEndpoint, seen: Seen) -> Issued | None:
        login = read_login(seen)
        issue = None if login is None else read_issue(login)
        told = None if login is None else told_scopes(endpoint, login)
        if login is None or issue is None or told is None:
            return None
        names = {name: as_text(login.answer[name]) for name in ("owner_id", "session_id") if name in login.answer}
        if None in names.values():
            return None
        issue = replace(issue, subject=names.get("owner_id") or "", session=names.get("session_id") or "")
        return with_scopes(issue, told, self.catalog)

    def _lacks(self, seen: Seen) -> Lacks | None:
        report = read_report(seen)
        if seen.status != 403 or report is None or not report.names_app_permission or report.permission is None:
            return None
        (scope,) = self.catalog.canonical([report.permission])
        return Lacks(Lack(scope))

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:  # noqa: ARG002 - the body is documented
        """The documented 403, naming the first missing permission of the shortest way out."""
        if not denial.scopes:
            return self.write_policy_refusal(denial)
        scope = denial.scopes[0]
        message = _NEEDS.format(scope)
        error = {"errorCode": _NO_APP_PERMISSION, "message": message, "permissionName": scope}
        body: dict[str, object] = {"errorCode": "InsufficientPermissions", "message": message, "errors": [error], "permissionName": scope}
        return Refusal(403, body, indent=True, constant=True)

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        """403 in RingCentral's envelope with `SCG-POLICY` in both places; no `permissionName`, for no permission would help."""
        message = denial.message or "The proxy's own rules do not allow this request"
        error = {"errorCode": "SCG-POLICY", "message": message}
        return Refusal(403, {**error, "errors": [error]}, indent=True)

    def default_steps(self, denial: Denial) -> tuple[str, ...]:
        """How an app permission is added, and why a refresh does not help."""
        names = " and ".join(denial.scopes)
        return (
            f"In RingCentral's Developer Console open the app behind this token, go to its settings and add {names} to its permissions.",
            "Some permissions are only granted after a review by RingCentral; the console says so when the permission is added.",
            "Log in again afterwards. Only a new token carries the new permission: this one is valid but will never have it.",
        )


def _header_override(headers: Mapping[str, bytes]) -> Iterator[str]:
    if _OVERRIDE in headers:
        yield headers[_OVERRIDE].decode("latin-1").strip(" \t")


def _overridden(method: str, override: str) -> str | BadRequest:
    if override not in METHODS:
        return BadRequest(METHOD_OVERRIDE, "the overriding method is none that RFC 9110 or RFC 5789 defines, in capital letters")
    if method not in {"POST", override}:
        return BadRequest(METHOD_OVERRIDE, "only a POST may name an overriding method")
    return override


def _is_revocation(method: str, target: Target) -> bool:
    return method == "POST" and target.path == REVOKE_PATH


def _ended(seen: Seen) -> Ended | None:
    """The revoked token, from the form or the query, whichever has it. RFC 7009 answers 200 for unknown tokens too: harmless."""
    form = read_form(seen.request_body, seen.headers)
    if seen.status != 200 or form is None:
        return None
    values = {*seen.target.parameters("token"), *([form["token"]] if "token" in form else [])}
    token = as_secret(values.pop()) if len(values) == 1 else None
    return None if token is None else Ended(token)


# --- error bodies -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """A RingCentral error body: its codes, and the permission it names if both places and the message agree on one."""

    codes: frozenset[str]
    permission: str | None

    @property
    def names_app_permission(self) -> bool:
        """Whether the body says that the app lacks a permission."""
        return {"InsufficientPermissions", _NO_APP_PERMISSION} <= self.codes


def read_report(seen: Seen) -> Report | None:
    """Read an error body; None where it is none of RingCentral's."""
    body = read_object(seen.response_body)
    if body is None:
        return None
    errors = body.get("errors", [])
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        return None
    codes = [error.get("errorCode") for error in (body, *errors)]
    return Report(frozenset(code for code in codes if isinstance(code, str)), _permission(body, errors))


def _permission(body: Mapping[str, object], errors: list[dict[str, object]]) -> str | None:
    """The name that both `permissionName`s and both messages agree on. With several errors nobody knows which is meant."""
    if len(errors) != 1:
        return None
    name, message = body.get("permissionName"), body.get("message")
    if not isinstance(name, str) or not _SCOPE_NAME.fullmatch(name) or message != _NEEDS.format(name):
        return None
    agree = errors[0].get("permissionName") == name and errors[0].get("message") == message
    return name if agree and errors[0].get("errorCode") == _NO_APP_PERMISSION else None
