"""The questions every vendor answers. One module per vendor answers them; nothing else in the house knows a vendor.

Pure: a vendor has no state and does no I/O. What it learns it returns as facts (`proxy/knowledge/learning.py` applies them).
"""
# ruff: noqa: ARG002 - a default answer need not look at what it is shown

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from proxy.catalogs.catalog import Catalog, Match
from proxy.credentials import Secret
from proxy.model import (
    NO_RESOURCES,
    Grants,
    Lack,
    Named,
    Reason,
    RefusalTemplate,
    ResourceRule,
    Resources,
    Source,
    TokenPlace,
    Unbounded,
)
from proxy.prediction import WHOLE_RESOURCE
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.advice import OWN_RULES, own_rule_steps, unknown_scope_steps
from proxy.vendors.rate_budget import RateFields

# --- facts: what an exchange taught -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issued:
    """A token was issued. `expires_in` is seconds. `replaces` is the refresh token that was spent for it."""

    token: Secret
    grants: Grants
    source: Source
    expires_in: float
    subject: str = ""
    refresh_token: Secret | None = None
    session: str = ""
    replaces: Secret | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A token (access or refresh) was revoked; everything of its session ends with it."""

    token: Secret


@dataclass(frozen=True, slots=True)
class Lacks:
    """The vendor refused *the token of this request* for want of `lack`. `subject`: the user it says the token belongs to, or ""."""

    lack: Lack
    changeable: bool = False
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ShapeSeen:
    """A real refusal showed the shape in which this vendor refuses; it holds nothing of the caller's.

    Where a vendor refuses in several shapes, `variant` tells them apart: keep the last one of each.
    """

    template: RefusalTemplate
    variant: str = ""


@dataclass(frozen=True, slots=True)
class UserAccess:
    """The vendor told one page of a user's access permissions: key to level."""

    user_id: str
    page: int
    page_count: int
    permissions: Mapping[str, str]


Fact = Issued | Ended | Lacks | ShapeSeen | UserAccess


# --- what a vendor is shown -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """One finished exchange with the vendor, as far as it was read. Bodies are decoded and bounded; None: not read.

    `headers` are the request's, names in lower case. `subject` is the user the token is known to belong to, or "".
    """

    method: str
    target: Target
    match: Match | None
    headers: Mapping[str, bytes]
    request_body: bytes | None
    status: int
    response_body: bytes | None
    resources: Resources = NO_RESOURCES
    subject: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """Everything a local answer can say. `missing` is per alternative, shortest first; `scopes` are the first one's.

    `whole_resource`: it is known that the token has no access to the resources at all (see `no_access_at_all`).
    `at` is the moment of the answer, `recheck_at` the one from which a real request may find out whether the account was fixed
    (0: none will), in seconds since the epoch. `steps` are what ends a denial by the operator's rule, where it tells them itself.
    """

    reason: Reason
    method: str
    target: Target
    match: Match | None
    missing: tuple[tuple[str, ...], ...]
    resources: Resources = NO_RESOURCES
    subject: str = ""
    message: str = ""
    whole_resource: bool = False
    at: float = 0.0
    recheck_at: float = 0.0
    steps: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the shortest way out; empty where no scope is missing."""
        return self.missing[0] if self.missing else ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A local answer in the vendor's shape: status, extra headers, and a JSON object (members in the vendor's order)."""

    status: int
    body: dict[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    indent: bool = False
    constant: bool = False
    """Whether nothing of the single request is in it, so that it can be kept for the same token and operation."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What kind of answer the vendor gave. `about_scope`: a missing scope explains it, so it confirms a predicted denial.

    A refusal for another cause (a user's own permission, a plan) is a permission refusal too, but confirms nothing.
    """

    kind: ResponseKind
    about_scope: bool = False


METHOD_OVERRIDE: Final = "method_override"
"""The reason of a `BadRequest` for contradictory or unknown method overrides."""


@dataclass(frozen=True, slots=True)
class BadRequest:
    """The vendor's own rules make this request ambiguous: it is answered 400 and never sent."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Which bodies of an exchange must be read (copied aside, bounded) to learn from it."""

    request: bool = False
    response: bool = False


NO_WATCH = Watch()
EVERY_BODY = Watch(request=True, response=True)


class Vendor(ABC):
    """What a vendor is asked, in the order of a request's way."""

    kind: ClassVar[str]
    rate_fields: ClassVar[RateFields | None] = None
    """The fields in which every answer tells how much of a rate limit is left; None where the vendor documents none."""

    def __init__(self, name: str, catalog: Catalog, grants: tuple[Mapping[str, object], ...] = ()) -> None:
        self.name = name
        self.catalog = catalog
        self.configured_grants = grants

    @property
    def title(self) -> str:
        """The vendor's name as people write it."""
        return self.name

    # before the decision

    def token_place(self) -> TokenPlace:
        """Where this vendor reads access tokens."""
        return self.catalog.token_in or TokenPlace()

    def effective_method(self, method: str, target: Target, headers: Mapping[str, bytes]) -> str | BadRequest:
        """The method the vendor will act on; most vendors honour no override.

        A field that occurs several times must be in `headers` with all its values, joined by commas (RFC 9110 section 5.3).
        """
        return method

    def resources(self, match: Match | None, target: Target) -> Resources:
        """The resources this request concerns, by the operation's own rule."""
        rule = match.operation.resource if match is not None else None
        return NO_RESOURCES if match is None or rule is None else read_resources(rule, match, target)

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:
        """Which bodies must be read whatever the status will be (logins, refreshes, revocations)."""
        return NO_WATCH

    def watch_answer(self, status: int, match: Match | None) -> bool:
        """Whether an answer with this status must be read: refusals always, others by choice of the vendor."""
        return status in (400, 401, 403)

    def knowledge_in_token(self, token: Secret) -> Issued | None:
        """What the token itself tells (a JWT's scope claim); None for an opaque one."""
        return None

    # beside the requests

    def discovery_path(self) -> str:
        """The path to ask with a `GET` what its bearer token holds; "" where the vendor tells nobody."""
        return ""

    def read_discovery(self, token: Secret, body: bytes, lifetime: float) -> Issued | None:
        """What a 200 answer to that tells about `token`; None on any doubt. `lifetime`: seconds for which it may be believed."""
        return None

    # after the answer

    @abstractmethod
    def classify(self, seen: Seen) -> Verdict:
        """What kind of answer this is; PERMISSION only for a recognised permission refusal."""

    @abstractmethod
    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        """What this exchange teaches; nothing on any doubt."""

    # the local answer

    def shape_variant(self, denial: Denial) -> str:
        """Which of the vendor's shapes answers this denial: the `variant` of the `ShapeSeen` to hand to `write_refusal`."""
        return ""

    @abstractmethod
    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        """The answer the vendor would give to this request; `shape` is the last real refusal's of this variant, if one was seen."""

    @abstractmethod
    def write_policy_refusal(self, denial: Denial) -> Refusal:
        """403 in the vendor's envelope with the code `SCG-POLICY`: nobody takes it for the vendor's."""

    def remediation(self, denial: Denial) -> tuple[str, ...]:
        """The steps that end the denial: by the catalogue for the shortest way out, by the operator's rule where that denied."""
        if denial.reason in OWN_RULES:
            return denial.steps or own_rule_steps(denial.reason, self.name, operation_id(denial))
        return self.scope_steps(denial) or self.default_steps(denial)

    def scope_steps(self, denial: Denial) -> tuple[str, ...]:
        """What the catalogue tells about getting the missing scopes, each step once."""
        infos = (self.catalog.scope(name) for name in denial.scopes)
        return tuple(dict.fromkeys(step for info in infos for step in info.remediation))

    def default_steps(self, denial: Denial) -> tuple[str, ...]:
        """What to do where the catalogue does not describe the missing scopes."""
        return unknown_scope_steps(self.name, denial.scopes)

    def documentation(self, denial: Denial) -> tuple[str, ...]:
        """Pages that tell more about what is missing; none where the operator's own rule denied."""
        if denial.reason in OWN_RULES:
            return ()
        infos = (self.catalog.scope(name) for name in denial.scopes)
        return tuple(dict.fromkeys(link for info in infos for link in info.documentation))


def operation_id(denial: Denial) -> str:
    """Return the id of the denied operation, or "" where the catalogue does not know it."""
    return denial.match.operation.id if denial.match is not None else ""


def no_access_at_all(lacking: frozenset[Lack], resources: Resources) -> bool:
    """Say whether a whole-resource lack covers this request: what `Denial.whole_resource` must be."""
    if not isinstance(resources, Named):
        return False
    return any(lack.scope == WHOLE_RESOURCE and lack.resources <= resources.resources for lack in lacking)


def plain_kind(status: int) -> ResponseKind:
    """The kind that a status alone tells; a permission refusal is never told by its status alone."""
    if status < 400:
        return ResponseKind.OK
    if status == 401:
        return ResponseKind.AUTH
    if status == 429:
        return ResponseKind.RATE_LIMIT
    return ResponseKind.SERVER_ERROR if status >= 500 else ResponseKind.OTHER_4XX


def read_resources(rule: ResourceRule, match: Match, target: Target) -> Resources:
    """Apply a resource rule. A missing, empty or repeated query parameter, or its "everything" value, is unbounded.

    Names are prefixed with the rule's kind, so that a PBX name and an opaque PBX id never meet.
    """
    values = _raw_values(rule, match, target)
    if len(values) != 1:
        return Unbounded()
    parts = values[0].split(rule.separator) if rule.separator else [values[0]]
    names = [part.strip() for part in parts]
    if not all(names) or (rule.everything is not None and rule.everything in names):
        return Unbounded()
    return Named(frozenset(f"{rule.kind}:{name}" for name in names))


def _raw_values(rule: ResourceRule, match: Match, target: Target) -> tuple[str, ...]:
    if rule.location == "query":
        return target.parameters(rule.parameter)
    value = match.parameter(rule.parameter)
    return () if value is None else (value,)


def bare_resource(name: str) -> str:
    """Return a resource's name as the vendor writes it, without its kind."""
    return name.partition(":")[2]
