"""What a login tells: the token, its life time and its scopes, read from both sides of a token exchange.

Pure. Nothing is learned from half a login: one odd member and the whole exchange teaches nothing.
Sources: RFC 6749 sections 4.4 (client credentials), 5.1 (answer), 6 (refresh) and 2.3.1 (Basic client authentication).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote_plus

from proxy.catalogs.catalog import Catalog
from proxy.credentials import Secret
from proxy.model import NOTHING_KNOWN, Grants, Source, TokenEndpoint
from proxy.vendors.facts import Issued
from proxy.vendors.forms import as_seconds, as_secret, as_text, as_token, read_form, read_object, scope_names
from proxy.vendors.seen import Seen

BEARER: Final = frozenset({"bearer"})


@dataclass(frozen=True, slots=True)
class Login:
    """Both sides of a successful token exchange."""

    form: Mapping[str, str]
    answer: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """The scopes a login tells, and which side told them. No names: it tells nothing, whatever the source."""

    names: frozenset[str] = frozenset()
    source: Source = Source.NONE


def endpoint_at(endpoints: tuple[TokenEndpoint, ...], method: str, path: str) -> TokenEndpoint | None:
    """Return the token endpoint that `method` on `path` is, or None. Paths are compared exactly."""
    if method != "POST":
        return None
    return next((endpoint for endpoint in endpoints if endpoint.path == path), None)


def read_login(seen: Seen) -> Login | None:
    """Read both sides of a token exchange; None unless it succeeded and both are sound."""
    form = read_form(seen.request_body, seen.headers)
    answer = read_object(seen.response_body)
    if seen.status != 200 or form is None or answer is None:
        return None
    return Login(form, answer)


def read_issue(login: Login, lifetime: float | None = None, types: frozenset[str] = BEARER, *, digits: bool = False) -> Issued | None:
    """Read the token of a login, nothing known of its scopes yet.

    `lifetime` (seconds) serves where the answer has none; `digits`: the vendor writes numbers as strings.
    """
    answer = login.answer
    token, kind = as_token(answer.get("access_token")), answer.get("token_type")
    seconds = as_seconds(answer["expires_in"], digits=digits) if "expires_in" in answer else lifetime
    if token is None or seconds is None or not isinstance(kind, str) or kind.lower() not in types:
        return None
    issue = Issued(token, NOTHING_KNOWN, Source.NONE, seconds, replaces=_spent(login.form))
    if "refresh_token" not in answer:
        return issue
    refresh = as_secret(answer["refresh_token"])
    return None if refresh is None else replace(issue, refresh_token=refresh)


def _spent(form: Mapping[str, str]) -> Secret | None:
    """The refresh token that was given for this answer (RFC 6749 section 6)."""
    return as_secret(form.get("refresh_token")) if form.get("grant_type") == "refresh_token" else None


def told_scopes(endpoint: TokenEndpoint, login: Login) -> Told | None:
    """Read the scopes a login tells; None where what it tells is odd.

    A `scope` in the answer outranks the one asked for; the one asked for counts only where the answer has none (RFC 6749
    section 5.1). An empty list tells nothing: vendors send one where they do not use scopes.
    """
    if endpoint.scope_from == "none":
        return Told()
    if "scope" in login.answer:
        return _told(login.answer["scope"], endpoint.separator, Source.TOKEN_RESPONSE)
    if endpoint.scope_from == "request" and "scope" in login.form:
        return _told(login.form["scope"], endpoint.separator, Source.TOKEN_REQUEST)
    return Told()


def _told(value: object, separator: str | None, source: Source) -> Told | None:
    names = scope_names(value, separator) if isinstance(value, str) else None
    return None if names is None else Told(names, source)


def with_scopes(issue: Issued, told: Told, catalog: Catalog) -> Issued:
    """Add what was told: all the token's scopes, by their canonical names; unchanged where nothing was told."""
    if not told.names:
        return issue
    return replace(issue, grants=Grants(scopes=catalog.canonical(told.names), complete=True), source=told.source)


def client_of(form: Mapping[str, str], headers: Mapping[str, bytes]) -> str | None:
    """Return the client id of a login from its form or Basic credentials; "" where neither has one, None where they differ."""
    told = {name for name in (as_text(form.get("client_id")), _basic_user(headers)) if name is not None}
    if len(told) > 1:
        return None
    return told.pop() if told else ""


def _basic_user(headers: Mapping[str, bytes]) -> str | None:
    scheme, _, value = headers.get("authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except ValueError:
        return None
    user, colon, _ = pair.partition(":")
    return as_text(unquote_plus(user)) if colon else None
