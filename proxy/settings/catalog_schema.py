"""Every key of a catalogue file. The result of loading one is a compiled `Catalog` (see `catalog_build.py`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from proxy.catalogs.catalog import is_parameter
from proxy.model import OPERATION_SCOPE_PREFIX, AnyToken, Auth, ErrorKind, NotKnown, OneOf, Origin, Requirement
from proxy.settings.values import Matching, Section, WholeNumber

_SCOPE_RULE = "a scope's name has 1 to 128 printable ASCII characters, no quotes or backslashes, and no space at its ends"
_SCOPE = rf"(?!\*$)(?!{OPERATION_SCOPE_PREFIX})(?=.{{1,128}}$)[!#-\[\]-~]+( [!#-\[\]-~]+)*"
"""RFC 6749 section 3.3, and single spaces inside (8x8 has products such as "QM - API")."""
_SCOPE_PATTERN = re.compile(_SCOPE)
ScopeName = Annotated[str, Matching(_SCOPE, _SCOPE_RULE)]
OperationId = Annotated[str, Matching(r"[!-~]{1,128}", "must have 1 to 128 printable ASCII characters without spaces")]
Method = Annotated[str, Matching(r"[A-Z]{1,32}", "must be a method in capital letters, such as GET")]
Link = Annotated[str, Matching(r"https?://[!-~]{1,2000}", "must be an address that begins with https:// or http://")]
Step = Annotated[str, Field(min_length=1, max_length=2000)]
Steps = Annotated[tuple[Step, ...], Field(max_length=50)]
Links = Annotated[tuple[Link, ...], Field(max_length=50)]
ParameterName = Annotated[str, Field(min_length=1, max_length=128)]
HeaderName = Annotated[str, Matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", "must be a header name")]
HeaderValue = Annotated[str, Matching(r"[!-~]([ -~]{0,2046}[!-~])?", "must be printable ASCII on one line")]


def _read_requires(value: object) -> Requirement:
    if value == "unknown":
        return NotKnown()
    if not isinstance(value, list) or not all(isinstance(alternative, list) for alternative in value):
        raise ValueError("must be 'unknown', [] (any valid token) or a list of alternatives, each a list of scopes: [[A, B], [C]]")
    if not all(value):
        raise ValueError("an empty alternative would let everybody pass; write [] for 'any valid token' or remove it")
    if not all(_is_scope(scope) for alternative in value for scope in alternative):
        raise ValueError(_SCOPE_RULE)
    return OneOf(tuple(tuple(alternative) for alternative in value)) if value else AnyToken()


def _is_scope(value: object) -> bool:
    return isinstance(value, str) and _SCOPE_PATTERN.fullmatch(value) is not None


def _read_route(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or len(value) > 2000:
        raise ValueError("must be a path that begins with '/'")
    if not value.isascii() or not value.isprintable() or any(character in value for character in " ?#"):
        raise ValueError("must be a path as it is sent: ASCII, percent-encoded, without query")
    names = [segment for segment in value.split("/") if "{" in segment or "}" in segment]
    if not all(_is_whole_parameter(segment) for segment in names):
        raise ValueError("a parameter must be a whole segment, such as /{accountId}/")
    if len(set(names)) != len(names):
        raise ValueError("names a parameter twice")
    return value


def _is_whole_parameter(segment: str) -> bool:
    return is_parameter(segment) and not {"{", "}"} & set(segment[1:-1])


def _read_error_text(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 500:
        raise ValueError("must be a regular expression of at most 500 characters")
    try:
        groups = re.compile(value).groupindex
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    if not set(groups) <= {"scope", "user", "resource"}:
        raise ValueError("may only have groups named scope, user and resource")
    return value


ErrorText = Annotated[str, PlainValidator(_read_error_text), WithJsonSchema({"type": "string", "format": "regex"})]


def _empty_for_none(value: object) -> object:
    return {} if value is None else value


def _list_for_one(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _list_for_text(value: object) -> object:
    return [value] if isinstance(value, str) else value


ErrorCode = Annotated[str, Field(min_length=1, max_length=128)]
_REQUIRES_SCHEMA = {
    "anyOf": [
        {"const": "unknown"},
        {"type": "array", "items": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": f"^(?:{_SCOPE})$"}}},
    ]
}
Requires = Annotated[Requirement, PlainValidator(_read_requires), WithJsonSchema(_REQUIRES_SCHEMA)]
Route = Annotated[str, PlainValidator(_read_route), WithJsonSchema({"type": "string", "pattern": "^/"})]


class ScopeRow(Section):
    """What people need to know about one scope."""

    title: str | None = Field(default=None, min_length=1, max_length=256, description="The scope's name as the vendor's screens show it.")
    implies: tuple[ScopeName, ...] = Field(default=(), max_length=1000, description="Scopes that whoever holds this one holds too.")
    remediation: Steps | None = Field(default=None, description="Steps that end the lack of this scope.")
    documentation: Links | None = Field(default=None, description="Pages that tell more.")
    changeable: bool | None = Field(default=None, description="Whether an administrator can grant it while a token lives.")


class ScopeDefaults(Section):
    """What counts for every scope that says nothing of its own; `{scope}` and `{title}` are filled in."""

    remediation: Steps = Field(default=(), description="Steps for scopes without their own.")
    documentation: Links = Field(default=(), description="Pages for scopes without their own.")
    changeable: bool = Field(default=False, description="Whether scopes can be granted while a token lives, unless they say so themselves.")


class ResourceRow(Section):
    """Where a request names the resources that its scopes are bound to."""

    kind: str = Field(min_length=1, max_length=64, description="What the resource is; names of different kinds never meet.")
    location: Literal["query", "path"] = Field(alias="in", description="Whether a query or a path parameter names it.")
    name: ParameterName = Field(description="The parameter's name.")
    separator: str | None = Field(default=None, min_length=1, max_length=8, description="What separates several resources in one value.")
    everything: str | None = Field(default=None, min_length=1, max_length=128, description="The value that means all resources.")


class OperationRow(Section):
    """One operation of the vendor's API."""

    id: OperationId = Field(description="The vendor's own operation id where there is one.")
    method: Method = Field(description="The method; HEAD counts as GET.")
    path: Route = Field(description="The path template; parameters are whole segments: /account/{accountId}.")
    requires: Requires = Field(description="Alternatives of scopes, [] for any valid token, or unknown.")
    auth: Auth = Field(default=Auth.BEARER, description="bearer: an access token; client: the app's own credentials; none: nothing.")
    tags: tuple[str, ...] = Field(default=(), max_length=50, description="Groups for listing.")
    origin: Origin = Field(default=Origin.DOCUMENTED, description="How sure this row is.")
    provenance: str = Field(default="", max_length=2000, description="Where this row is from: a place in a description, a page.")
    resource: ResourceRow | None = Field(default=None, description="Where the request names the resources its scopes are bound to.")
    depends_on_body: bool = Field(
        default=False, description="With 'requires: unknown': the answer depends on the body, so nothing is learned."
    )
    partial: tuple[ScopeName, ...] = Field(
        default=(), max_length=100, description="Scopes that open only part of the endpoint; they settle nothing."
    )


class TokenEndpointRow(Section):
    """Where tokens are issued."""

    path: Route = Field(description="The path of the endpoint.")
    scope_from: Literal["response", "request", "none"] = Field(
        default="response", description="Which side of the exchange tells the scopes."
    )
    separator: str | None = Field(
        default=None, min_length=1, max_length=8, description="What separates scopes; any white space by default."
    )


class TokenPlaceRow(Section):
    """Where the vendor reads access tokens."""

    header: HeaderName = Field(default="Authorization", description="The header that carries the token.")
    scheme: HeaderName = Field(default="Bearer", description="The scheme before the token, in any case.")
    query_parameter: ParameterName | None = Field(default=None, description="The query parameter that may carry it instead.")


class RefusalRow(Section):
    """The shape of a local answer; `{scope}`, `{scopes}`, `{operation}`, `{user}`, `{resource}` in its strings are filled in."""

    status: WholeNumber = Field(ge=400, le=499, description="The status.")
    body: Mapping[str, Any] = Field(description="The JSON object.")
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict, description="Further headers.")


class RecogniseRow(Section):
    """How one kind of permission refusal is recognised."""

    status: WholeNumber = Field(ge=400, le=599, description="The status.")
    members: Mapping[str, Any] = Field(default_factory=dict, alias="json", description="Members and values the JSON object must have.")
    scope_from: ParameterName | None = Field(default=None, description="The member that names the missing scope.")


class ErrorRow(Section):
    """What one of the vendor's errors means, for `scopegate explain-error`."""

    id: OperationId = Field(description="A name for it, such as user-permission.")
    kind: ErrorKind = Field(description="What it is about.")
    status: WholeNumber | None = Field(default=None, ge=400, le=599, description="The status it comes with, where one is documented.")
    code: Annotated[tuple[ErrorCode, ...], BeforeValidator(_list_for_text)] = Field(
        default=(), max_length=20, description="The error code that the answer bears, or a list of codes with the same meaning."
    )
    text: ErrorText | None = Field(
        default=None,
        description="A regular expression that fits its message; groups named scope, user and resource say what it names.",
    )
    meaning: Step = Field(description="What it means, in a sentence or two.")
    whose: Step = Field(description="Who can end it, and in which console.")
    remediation: Steps = Field(default=(), description="Steps that end it, after those for the scope that it names.")
    documentation: Links = Field(default=(), description="Pages that tell more.")


class CatalogFile(Section):
    """A Scopegate catalogue: what a vendor's operations require."""

    vendor: str = Field(min_length=1, max_length=64, description="The kind of vendor this is about.")
    source: str = Field(default="", max_length=2000, description="Where the facts come from, and when.")
    scopes: Mapping[ScopeName, Annotated[ScopeRow, BeforeValidator(_empty_for_none)]] = Field(
        default_factory=dict, max_length=10_000, description="The scopes by name."
    )
    scope_defaults: ScopeDefaults = Field(default_factory=ScopeDefaults, description="What counts for scopes without their own.")
    aliases: Mapping[ScopeName, ScopeName] = Field(default_factory=dict, max_length=10_000, description="Other names of scopes.")
    operations: tuple[OperationRow, ...] = Field(min_length=1, max_length=20_000, description="The operations.")
    token_endpoint: Annotated[tuple[TokenEndpointRow, ...], BeforeValidator(_list_for_one)] = Field(
        default=(), max_length=20, description="Where tokens are issued: one endpoint or a list."
    )
    token_in: TokenPlaceRow | None = Field(default=None, description="Where the vendor reads access tokens.")
    refusal: RefusalRow | None = Field(default=None, description="The shape of a local answer.")
    recognise: tuple[RecogniseRow, ...] = Field(
        default=(), max_length=100, description="How the vendor's permission refusals are recognised."
    )
    errors: tuple[ErrorRow, ...] = Field(default=(), max_length=1000, description="What the vendor's errors mean.")
