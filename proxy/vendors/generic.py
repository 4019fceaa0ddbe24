"""Any vendor whose scopes belong to routes and come with the login: everything is read from its catalogue.

Pure. Sources: RFC 6749 (login), RFC 6750 section 3.1 (`insufficient_scope`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final

from proxy.catalogs.catalog import Match
from proxy.credentials import Secret
from proxy.model import Lack, Named, RefusalPattern, RefusalTemplate, TokenEndpoint
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Fact, Issued, Lacks
from proxy.vendors.forms import read_object, scope_names
from proxy.vendors.logins import client_of, endpoint_at, read_issue, read_login, told_scopes, with_scopes
from proxy.vendors.placeholders import fill_refusal
from proxy.vendors.refusals import Denial, Refusal
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Seen, Verdict, Watch, plain_kind
from proxy.vendors.tokens import read_scope_claim

LIFETIME: Final = 3600.0
"""How long a token is believed, in seconds, where neither it nor its login tells."""
DEFAULT_REFUSAL: Final = RefusalTemplate(
    403, {"error": "insufficient_scope", "error_description": "The access token lacks {scopes}", "scope": "{scopes}"}
)


class Generic(Vendor):
    """The questions of `base.Vendor`, answered by the catalogue alone."""

    kind: ClassVar[str] = "generic"
    heeded = frozenset()

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:  # noqa: ARG002 - the path alone tells
        """Both sides of a login at a catalogued token endpoint."""
        return NO_WATCH if endpoint_at(self.catalog.token_endpoints, method, target.path) is None else EVERY_BODY

    def watch_answer(self, status: int, match: Match | None) -> bool:
        """Refusals, and whatever status the catalogue's patterns recognise."""
        return super().watch_answer(status, match) or any(pattern.status == status for pattern in self.catalog.recognise)

    def knowledge_in_token(self, token: Secret) -> Issued | None:
        """The scope claim of a JWT."""
        return read_scope_claim(token, self.catalog, LIFETIME)

    def classify(self, seen: Seen) -> Verdict:
        """PERMISSION for an answer that one of the catalogue's patterns recognises."""
        if self._recognise(seen) is None:
            return Verdict(plain_kind(seen.status))
        return Verdict(ResponseKind.PERMISSION, about_scope=True)

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        """The scopes of a new token, or the one scope that a recognised refusal names."""
        endpoint = endpoint_at(self.catalog.token_endpoints, seen.method, seen.target.path)
        fact = self._lacks(seen) if endpoint is None else self._issued(endpoint, seen)
        return () if fact is None else (fact,)

    def _issued(self, endpoint: TokenEndpoint, seen: Seen) -> Issued | None:
        login = read_login(seen)
        issue = None if login is None else read_issue(login, LIFETIME)
        told = None if login is None else told_scopes(endpoint, login)
        client = None if login is None else client_of(login.form, seen.headers)
        if issue is None or told is None or client is None:
            return None
        return with_scopes(replace(issue, subject=client), told, self.catalog)

    def _bound_somewhere(self) -> frozenset[str]:
        """The scopes that some operation needs for the resources of its request."""
        rows = (operation for operation in self.catalog.operations if operation.resource is not None)
        return frozenset(scope for operation in rows for alternative in operation.alternatives() for scope in alternative)

    def _recognise(self, seen: Seen) -> tuple[RefusalPattern, Mapping[str, object]] | None:
        """The first pattern that fits this answer, and its body."""
        candidates = [pattern for pattern in self.catalog.recognise if pattern.status == seen.status]
        body = read_object(seen.response_body) if candidates else None
        if body is None:
            return None
        return next(((pattern, body) for pattern in candidates if _contains(body, pattern.json)), None)

    def _lacks(self, seen: Seen) -> Lacks | None:
        """What is lacking on the resources of the request; nothing where several scopes are named or the resources are open."""
        recognised = self._recognise(seen)
        if recognised is None or recognised[0].scope_from is None or not isinstance(seen.resources, Named):
            return None
        names = scope_names(_member(recognised[1], recognised[0].scope_from))
        if names is None or len(names) != 1:
            return None
        (scope,) = self.catalog.canonical(names)
        if not seen.resources.resources and scope in self._bound_somewhere():
            return None  # refused here for want of some resource that the request does not name: elsewhere it may be held
        return Lacks(Lack(scope, seen.resources.resources), changeable=self.catalog.scope(scope).changeable)

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        """The catalogue's template, else the refusal of RFC 6750."""
        if not denial.scopes:
            return self.write_policy_refusal(denial)
        return fill_refusal(shape or self.catalog.refusal or DEFAULT_REFUSAL, denial)

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        """403 with the members of an OAuth error and a code of our own."""
        message = denial.message or "The proxy's own rules do not allow this request"
        return Refusal(403, {"error": "access_denied", "code": "SCG-POLICY", "error_description": message})


def _contains(body: object, pattern: object) -> bool:
    """Say whether `body` has every member of `pattern`, structures by their members, anything else by equality and type."""
    if isinstance(pattern, Mapping):
        return isinstance(body, Mapping) and all(name in body and _contains(body[name], value) for name, value in pattern.items())
    return type(body) is type(pattern) and body == pattern


def _member(body: Mapping[str, object], path: str) -> object:
    """The value at a dotted path of members; None where there is none."""
    value: object = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
