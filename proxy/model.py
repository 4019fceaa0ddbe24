"""The words of the product as values: scopes, requirements, operations, grants, predictions.

Pure: no I/O, no clock, no logging. Every other module speaks in these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ANYWHERE: Final[frozenset[str]] = frozenset()
"""The resources of an operation that is not bound to any."""

OPERATION_SCOPE_PREFIX: Final = "operation:"
"""Marks the stand-in scope of an operation whose real requirement is not known."""


class Mode(StrEnum):
    """What the proxy does with its own verdict."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"


class OnUnknown(StrEnum):
    """What the operator wants for operations or tokens the proxy does not know."""

    FORWARD = "forward"
    DENY = "deny"


class Reason(StrEnum):
    """Why a request was denied; a closed list that users match on."""

    MISSING_SCOPE = "missing_scope"
    MISSING_LICENCE = "missing_licence_or_access_level"
    POLICY = "policy_not_allowed"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a reason, not a secret
    UNKNOWN_OPERATION = "unknown_operation"


class Objection(StrEnum):
    """Which of the operator's own rules a request falls short of; a closed list, in the order in which they are asked."""

    UNKNOWN_CLIENT = "unknown_client"
    VENDOR = "vendor_not_allowed"
    OPERATION = "operation_not_allowed"
    METHOD = "method_not_allowed"
    CEILING = "scope_ceiling"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a word for it, not a secret


class Source(StrEnum):
    """Where a piece of knowledge about a token comes from."""

    NONE = "none"
    TOKEN_RESPONSE = "token_response"  # noqa: S105 - a source, not a secret
    TOKEN_REQUEST = "token_request"  # noqa: S105 - a source, not a secret
    TOKEN_CLAIM = "token_claim"  # noqa: S105 - a source, not a secret
    DISCOVERY = "discovery"
    CONFIGURED = "configured"
    REFUSAL = "refusal"
    SUCCESS = "success"
    GIVEN = "given"


class Auth(StrEnum):
    """How an operation authenticates its caller."""

    BEARER = "bearer"
    CLIENT = "client"
    NONE = "none"


class Origin(StrEnum):
    """How sure the catalogue is of a row."""

    DOCUMENTED = "documented"
    INFERRED = "inferred"
    IMPORTED = "imported"
    PROPOSED = "proposed"


class Holding(StrEnum):
    """What is known about one scope of one token; three values and one presumption."""

    HELD = "held"
    PRESUMED = "presumed"
    UNKNOWN = "unknown"
    LACKING = "lacking"


class ErrorKind(StrEnum):
    """What an error of a vendor is about."""

    APP_PERMISSION = "app_permission"
    USER_PERMISSION = "user_permission"
    LICENCE_OR_ACCESS_LEVEL = "licence_or_access_level"
    PLAN = "plan"
    NOT_AUTHENTICATED = "not_authenticated"
    RATE_LIMIT = "rate_limit"
    BAD_REQUEST = "bad_request"


# --- requirements ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnyToken:
    """Any valid token will do (or none is needed: see `Operation.auth`)."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """At least one alternative must be held whole. Order is the vendor's documentation order."""

    alternatives: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.alternatives or not all(self.alternatives):
            raise ValueError("a requirement needs at least one alternative, and each at least one scope")


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The requirement is not known. `learnable` is false where the answer depends on more than the operation."""

    learnable: bool = True


Requirement = AnyToken | OneOf | NotKnown


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """Where a request names the resources (8x8: PBXs) that its scopes are bound to."""

    kind: str
    location: str  # "query" or "path"
    parameter: str
    separator: str | None = None
    everything: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a vendor's API: what it is called and what it needs. Compared by identity, so it is a fast key."""

    vendor: str
    id: str
    method: str
    route: str
    requirement: Requirement
    auth: Auth = Auth.BEARER
    tags: tuple[str, ...] = ()
    origin: Origin = Origin.DOCUMENTED
    resource: ResourceRule | None = None
    partial: frozenset[str] = frozenset()
    """Scopes that open only part of the endpoint (one's own records): held, they settle nothing."""
    provenance: str = ""
    """Where this row is from, for people who doubt it."""

    @property
    def stand_in_scope(self) -> str:
        """The scope that stands for "whatever this operation needs" while its requirement is not known."""
        return OPERATION_SCOPE_PREFIX + self.id

    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """What would permit this operation, as alternatives of scope names; empty for "any token" or "not known"."""
        return self.requirement.alternatives if isinstance(self.requirement, OneOf) else ()


# --- resources of one request ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """The request concerns exactly these resources; none at all where the operation is not bound."""

    resources: frozenset[str] = ANYWHERE


@dataclass(frozen=True, slots=True)
class Unbounded:
    """The request concerns resources that it does not name ("all of them", or the parameter is missing)."""


Resources = Named | Unbounded
NO_RESOURCES: Final = Named()


# --- what is known about a token ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lack:
    """A vendor refusal proved that `scope` is absent for `resources` (jointly, where there are several)."""

    scope: str
    resources: frozenset[str] = ANYWHERE


@dataclass(frozen=True, slots=True)
class Grants:
    """What is known about one token's rights, at one moment.

    `scopes` hold everywhere; `bound` holds (scope, resource) pairs. `complete` says that there are no scopes but those named in
    `scopes` and `bound`; `complete_for` names the resources for which `bound` is all there is. `lacking` outranks both.
    """

    scopes: frozenset[str] = frozenset()
    bound: frozenset[tuple[str, str]] = frozenset()
    complete: bool = False
    complete_for: frozenset[str] = frozenset()
    lacking: frozenset[Lack] = frozenset()


NOTHING_KNOWN: Final = Grants()


# --- predictions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Permit:
    """The token is known to satisfy the operation. `presumed` if that rests on implied scopes."""

    operation: Operation
    presumed: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """The vendor would certainly refuse. `missing` has, per alternative, what is lacking; shortest first."""

    operation: Operation
    missing: tuple[tuple[str, ...], ...]
    resources: frozenset[str] = ANYWHERE


@dataclass(frozen=True, slots=True)
class Indeterminate:
    """Knowledge is incomplete; the vendor decides. `why` is for people."""

    operation: Operation
    why: str


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """No such operation in the catalogue; the vendor decides."""


Prediction = Permit | Deny | Indeterminate | NotApplicable


# --- the catalogue's words about scopes -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeInfo:
    """What a person needs to know about one scope. `changeable`: an administrator can grant it while a token lives."""

    name: str
    title: str = ""
    implies: frozenset[str] = frozenset()
    remediation: tuple[str, ...] = ()
    documentation: tuple[str, ...] = ()
    changeable: bool = False


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where tokens are issued, and which side of the exchange tells their scopes."""

    path: str
    scope_from: str = "response"  # "response" | "request" | "none"
    separator: str | None = None  # None: any white space


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a vendor reads the access token from."""

    header: str = "Authorization"
    scheme: str = "Bearer"
    query_parameter: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalTemplate:
    """The configured shape of a local answer; `{placeholders}` in its strings are filled in."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusalPattern:
    """How to recognise one kind of vendor refusal, and the scope it names (`scope_from`: a JSON member)."""

    status: int
    json: Mapping[str, object]
    scope_from: str | None = None


@dataclass(frozen=True, slots=True)
class KnownError:
    """What is known about one error of a vendor: how it is recognised, what it means, and who can end it.

    It is meant where the answer bears one of `codes` (if given) and its text fits the regular expression `text` (if given), whose groups
    `scope`, `user` and `resource` say what it names. With `text` given, codes and status need not have been pasted.
    """

    id: str
    kind: ErrorKind
    meaning: str
    whose: str
    status: int | None = None
    codes: tuple[str, ...] = ()
    text: str | None = None
    remediation: tuple[str, ...] = ()
    documentation: tuple[str, ...] = ()
