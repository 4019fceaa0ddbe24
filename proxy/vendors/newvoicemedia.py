"""NewVoiceMedia (Vonage Contact Center): the scopes of a token are those its login asked for; a refusal rarely says what is missing.

Pure. Sources: the User Admin page on a user's access permissions, the vendor's API wiki (login, any-of scopes, levels), RFC 6749
section 5.1 (an answer without `scope` grants what was asked) and RFC 6750 section 3.1 (`insufficient_scope`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final

from proxy.catalogs.catalog import Match
from proxy.credentials import Secret
from proxy.model import Auth, Lack, OneOf, Operation, RefusalTemplate, TokenEndpoint
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Fact, Issued, Lacks, ShapeSeen, UserAccess
from proxy.vendors.forms import read_object
from proxy.vendors.logins import client_of, endpoint_at, read_issue, read_login, told_scopes, with_scopes
from proxy.vendors.placeholders import fill_refusal
from proxy.vendors.refusals import Denial, Refusal
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Seen, Verdict, Watch, plain_kind
from proxy.vendors.shapes import private_texts, sanitised
from proxy.vendors.tokens import read_scope_claim

TOKEN_ENDPOINT: Final = TokenEndpoint("/Auth/connect/token", scope_from="request", separator=" ")
LIFETIME: Final = 7200.0
"""The documented life of a token, in seconds; used where a token or its login does not tell."""
DEFAULT_REFUSAL: Final = RefusalTemplate(403, {"message": "The access token does not have the scope this operation needs: {alternatives}"})
"""The envelope is the vendor's general one; User Admin's own wording is not documented (inferred)."""
MAX_PERMISSIONS: Final = 5000
"""The documented largest page."""
LEVELS: Final = frozenset({"Yes", "No", "Read", "Modify", "None"})

_ACCESS_ROUTE = "/permissions/accessPermissions"
_USER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_PERMISSION_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_INSUFFICIENT = re.compile(r"\b(?:insufficient|missing)[ _](?:required )?scopes?\b", re.IGNORECASE)
_ABOUT_ACCESS = re.compile(r"forbidden|access|permission|scope|authori[sz]ed|allowed", re.IGNORECASE)


class NewVoiceMedia(Vendor):
    """The questions of `base.Vendor`, answered for the NewVoiceMedia APIs."""

    kind: ClassVar[str] = "newvoicemedia"
    heeded = frozenset()

    @property
    def title(self) -> str:
        """The vendor's name as people write it."""
        return "NewVoiceMedia"

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:
        """Both sides of a login; the answer that lists a user's access permissions."""
        if self._token_endpoint(method, target, match) is not None:
            return EVERY_BODY
        return Watch(response=True) if method == "GET" and _lists_access(match) else NO_WATCH

    def _token_endpoint(self, method: str, target: Target, match: Match | None) -> TokenEndpoint | None:
        """The login this request is: by its path, or because the catalogue says that the operation authenticates a client."""
        found = endpoint_at(self.catalog.token_endpoints or (TOKEN_ENDPOINT,), method, target.path)
        if found is None and method == "POST" and match is not None and match.operation.auth is Auth.CLIENT:
            return TOKEN_ENDPOINT
        return found

    def knowledge_in_token(self, token: Secret) -> Issued | None:
        """The scope claim, should the token be a JWT that has one."""
        return read_scope_claim(token, self.catalog, LIFETIME)

    def classify(self, seen: Seen) -> Verdict:
        """PERMISSION for a 403 on an operation that needs scopes. A 401 may be a bad token as well (webhooks): AUTH."""
        if seen.status == 403 and _requirement(seen) is not None:
            return Verdict(ResponseKind.PERMISSION, about_scope=True)
        return Verdict(plain_kind(seen.status))

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        """The scopes of a new token, a user's access permissions, or the shape of a refusal and rarely what it lacks."""
        endpoint = self._token_endpoint(seen.method, seen.target, seen.match)
        if endpoint is not None:
            issue = self._issued(endpoint, seen)
            return () if issue is None else (issue,)
        if seen.status == 200 and seen.method == "GET" and seen.match is not None and _lists_access(seen.match):
            access = _user_access(seen.match, seen)
            return () if access is None else (access,)
        return self._refused(seen)

    def _issued(self, endpoint: TokenEndpoint, seen: Seen) -> Issued | None:
        login = read_login(seen)
        client = None if login is None else client_of(login.form, seen.headers)
        issue = None if login is None else read_issue(login, LIFETIME)
        if login is None or client is None or issue is None:
            return None
        if endpoint.scope_from == "request" and login.form.get("grant_type") != "client_credentials":
            # For other grants the scope of the request is not documented to be the one granted.
            endpoint = replace(endpoint, scope_from="response")
        told = told_scopes(endpoint, login)
        return None if told is None else with_scopes(replace(issue, subject=client), told, self.catalog)

    def _refused(self, seen: Seen) -> tuple[Fact, ...]:
        requirement, body = _requirement(seen), read_object(seen.response_body)
        if seen.status != 403 or seen.match is None or requirement is None or body is None:
            return ()
        shape = self._shape(seen, body)
        lacks = _lacking(seen.match.operation, requirement) if _says_insufficient(body) else ()
        return lacks if shape is None else (*lacks, shape)

    def _shape(self, seen: Seen, body: Mapping[str, object]) -> ShapeSeen | None:
        """The template of a refusal whose message speaks of access and can be shown to anybody, whatever they asked for."""
        template = sanitised(body, 403, {}, private_texts(seen) | {name.lower() for name in self._every_scope()})
        message = template.get("message")
        if not isinstance(message, str) or not _ABOUT_ACCESS.search(message):
            return None
        return ShapeSeen(RefusalTemplate(403, template))

    def _every_scope(self) -> set[str]:
        required = (name for operation in self.catalog.operations for alternative in operation.alternatives() for name in alternative)
        return {*required, *self.catalog.scopes, *self.catalog.aliases}

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        """403 in the shape last seen, else the catalogue's, else the general envelope naming every scope that would do."""
        if not denial.scopes:
            return self.write_policy_refusal(denial)
        return fill_refusal(shape or self.catalog.refusal or DEFAULT_REFUSAL, denial)

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        """403 in the general envelope, with a code that is not the vendor's."""
        message = denial.message or "The proxy's own rules do not allow this request"
        return Refusal(403, {"message": message, "code": "SCG-POLICY"})

    def default_steps(self, denial: Denial) -> tuple[str, ...]:
        """How a client gets a scope: the vendor allows it, and the login asks for it."""
        ways = " or ".join(" and ".join(alternative) for alternative in denial.missing)
        return (
            f"Have the API client's allowed scopes extended in the contact centre's administration: this operation needs {ways}.",
            f"Ask for it when logging in: the scope field of POST {TOKEN_ENDPOINT.path} must name it, separated from others by spaces.",
            "Use the new token. One that was issued without the scope will not get it, and a refused request need not be repeated.",
        )


def _requirement(seen: Seen) -> OneOf | None:
    requirement = seen.match.operation.requirement if seen.match is not None else None
    return requirement if isinstance(requirement, OneOf) else None


def _says_insufficient(body: Mapping[str, object]) -> bool:
    texts = (body.get(name) for name in ("error", "error_description", "message"))
    return any(isinstance(text, str) and len(text) < 1000 and _INSUFFICIENT.search(text) for text in texts)


def _lacking(operation: Operation, requirement: OneOf) -> tuple[Lacks, ...]:
    """Every scope that would have sufficed alone, and so is not held. One that opens only a part of the endpoint may be."""
    single = (alternative[0] for alternative in requirement.alternatives if len(alternative) == 1)
    return tuple(Lacks(Lack(scope)) for scope in single if scope not in operation.partial)


# --- a user's access permissions --------------------------------------------------------------------------


def _lists_access(match: Match | None) -> bool:
    return match is not None and match.operation.method == "GET" and match.operation.route.endswith(_ACCESS_ROUTE)


def _user_access(match: Match, seen: Seen) -> UserAccess | None:
    """One page of what a user may do; None unless it is the user who was asked about and every entry is sound."""
    body = read_object(seen.response_body)
    asked = match.parameter("userId")
    if body is None or asked is None or _USER_ID.fullmatch(asked) is None:
        return None
    told, pages, permissions = body.get("userId"), _pages(body.get("meta")), _permissions(body.get("accessPermissions"))
    if not isinstance(told, str) or told.lower() != asked.lower() or pages is None or permissions is None:
        return None
    return UserAccess(told, *pages, permissions)


def _pages(meta: object) -> tuple[int, int] | None:
    """The page's number and how many there are."""
    if not isinstance(meta, dict):
        return None
    page, count = meta.get("page"), meta.get("pageCount")
    if type(page) is not int or type(count) is not int or not 1 <= page <= count <= 10**9:
        return None
    return page, count


def _permissions(entries: object) -> Mapping[str, str] | None:
    if not isinstance(entries, list) or len(entries) > MAX_PERMISSIONS:
        return None
    permissions: dict[str, str] = {}
    for entry in entries:
        pair = _permission(entry)
        if pair is None or pair[0] in permissions:
            return None
        permissions[pair[0]] = pair[1]
    return permissions


def _permission(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, dict):
        return None
    key, level = entry.get("permissionKey"), entry.get("permissionLevel")
    if not isinstance(key, str) or not isinstance(level, str):
        return None
    return (key, level) if _PERMISSION_KEY.fullmatch(key) and level in LEVELS else None
