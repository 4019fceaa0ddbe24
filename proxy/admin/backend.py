"""What the admin API asks of the running proxy. It does not know how decisions are made; the composition root answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.catalogs.catalog import Catalog
from proxy.credentials import Fingerprint
from proxy.grants import Knowledge
from proxy.protocol.targets import Target


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of one thing that the proxy needs; `detail` is for people and holds no secret.

    `degraded`: it does not work, but traffic goes on without it.
    """

    ok: bool
    detail: str = ""
    degraded: bool = False


ReadyCheck = Callable[[], Readiness]
"""Answers at once from what is already known; it never waits for the network."""


@dataclass(frozen=True, slots=True)
class KnownToken:
    """One entry of the grant store. `vendor` is "" where the store cannot tell."""

    fingerprint: Fingerprint
    knowledge: Knowledge
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class KnownUser:
    """The access permissions learned of one user: key to level, from the pages seen so far."""

    user: str
    permissions: Mapping[str, str]
    pages_seen: frozenset[int]
    page_count: int


@dataclass(frozen=True, slots=True)
class Question:
    """One request to decide about without sending it. At most one of `scopes` and `fingerprint` is given.

    `scopes` are taken for the token's complete scopes, `fingerprint` for a token the proxy has seen.
    """

    vendor: str
    method: str
    target: Target
    scopes: frozenset[str] | None = None
    fingerprint: Fingerprint | None = None
    subject: str = ""
    client: str = ""
    """The client whose rules are asked too; "" for none."""


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A question that makes sense but has no answer here; `detail` says what to do instead."""

    detail: str


class AdminBackend(Protocol):
    """The proxy, as the admin API sees it. Every method answers at once, on the event loop."""

    def now(self) -> float:
        """Return the moment on the clock of the grant store (seconds)."""

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""

    def ready_checks(self) -> Mapping[str, ReadyCheck]:
        """Return what must be well for the proxy to be ready, by name."""

    def grants(self) -> Iterable[KnownToken]:
        """Yield everything known about tokens, as of the first step, the most recently used first; ended entries may be among it.

        Tens of thousands are possible: build each one only when it is asked for, the caller lets traffic in between.
        """

    def grant(self, fingerprint: Fingerprint) -> KnownToken | None:
        """Return what is known about one token, or None."""

    def forget(self, fingerprint: Fingerprint) -> bool:
        """Forget one token; say whether it was known."""

    def forget_all(self, vendor: str) -> int:
        """Forget every token of a configured vendor; return how many were known."""

    def recheck(self, fingerprint: Fingerprint) -> int | None:
        """Let the next safe requests find out whether the account was fixed; return how many lacks are due, None: unknown token."""

    def catalog(self, vendor: str) -> Catalog:
        """Return the catalogue of a configured vendor."""

    def users(self, vendor: str) -> Iterable[KnownUser]:
        """Return the users of a configured vendor whose permissions were seen; none where the vendor tells nobody."""

    def explain(self, question: Question) -> Mapping[str, object] | Unanswerable:
        """Decide about a request to a configured vendor without sending anything; the decision as JSON members."""
