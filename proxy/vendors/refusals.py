"""What is refused here in a vendor's name: what is told to it, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.catalogs.catalog import Match
from proxy.model import NO_RESOURCES, Reason, Resources
from proxy.protocol.targets import Target


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


def operation_id(denial: Denial) -> str:
    """Return the id of the denied operation, or "" where the catalogue does not know it."""
    return denial.match.operation.id if denial.match is not None else ""


METHOD_OVERRIDE: Final = "method_override"
"""The reason of a `BadRequest` for contradictory or unknown method overrides."""


@dataclass(frozen=True, slots=True)
class BadRequest:
    """The vendor's own rules make this request ambiguous: it is answered 400 and never sent."""

    reason: str
    detail: str
