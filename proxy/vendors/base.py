"""The questions every vendor answers. One module per vendor answers them; nothing else in the house knows a vendor.

Pure: a vendor has no state and does no I/O. What it learns it returns as facts (`facts.py`).
"""
# ruff: noqa: ARG002 - a default answer need not look at what it is shown

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from proxy.catalogs.catalog import Catalog, Match
from proxy.credentials import Secret
from proxy.model import NO_RESOURCES, RefusalTemplate, Resources, TokenPlace
from proxy.protocol.targets import Target
from proxy.vendors.advice import OWN_RULES, own_rule_steps, unknown_scope_steps
from proxy.vendors.facts import Fact, Issued
from proxy.vendors.rate_budget import RateFields
from proxy.vendors.refusals import BadRequest, Denial, Refusal, operation_id
from proxy.vendors.resources import read_resources
from proxy.vendors.seen import NO_WATCH, Seen, Verdict, Watch


class Vendor(ABC):
    """What a vendor is asked, in the order of a request's way."""

    kind: ClassVar[str]
    rate_fields: ClassVar[RateFields | None] = None
    """The fields in which every answer tells how much of a rate limit is left; None where the vendor documents none."""
    heeded: ClassVar[frozenset[str] | None] = None
    """Names of the query parameters that are read before it is decided, besides the token's and those of the catalogue's resource rules.

    None, unless a vendor's module says so: any may be. A ruling counts again for the same path with other parameters.
    """

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
