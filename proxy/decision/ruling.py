"""What the gate has found out and decided about one request. Built by `gate`, carried by the shell, closed into an `Exchange`."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from proxy.catalogs.catalog import Match
from proxy.credentials import Fingerprint, Secret
from proxy.decision.explain import NO_EVIDENCE, Evidence
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.identity.clients import NO_PEER, UNIDENTIFIED, Client, Peer
from proxy.knowledge.learning import Learner
from proxy.model import NO_RESOURCES, Mode, Prediction, RefusalTemplate, Resources, TokenPlace
from proxy.policy.rules import Rules
from proxy.protocol.headers import RequestHead
from proxy.protocol.links import Links
from proxy.protocol.targets import Target
from proxy.protocol.trace_context import NO_TRACE, Trace
from proxy.telemetry.exchange import CacheResult, Decision, Outcome
from proxy.vendors.base import Vendor
from proxy.vendors.seen import NO_WATCH, Watch


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """One vendor as it is mounted: where, under which mode and rules, and who answers questions about it."""

    vendor: Vendor
    store: GrantStore
    learner: Learner
    shapes: Mapping[str, RefusalTemplate]
    mode: Mode
    rules: Rules
    implied_by: Mapping[str, frozenset[str]]
    path: str = ""
    host: str = ""
    demoted: Container[str] = frozenset()
    """Ids of operations whose denials proved false: they are forwarded. Looked up live."""
    sample: Sample | None = None
    """Which denials are sent through to keep the score honest; None: none."""
    origins: Mapping[str, str] | None = None
    """Paths that live on another origin than `home` (NewVoiceMedia's token endpoint): path to origin name."""
    discover: Callable[[Secret, Fingerprint, bytes], None] | None = None
    """Told of tokens of which nothing is known, to ask the vendor about them beside the requests; with the lines of the trace."""
    home: str = "api"
    """The name of the origin that serves all other paths."""
    links: Links | None = None
    """Points the vendor's own addresses in its answers back at the proxy; None where they stay as they are."""

    @property
    def token_place(self) -> TokenPlace:
        """Where this vendor reads access tokens."""
        return self.vendor.token_place()

    def origin(self, path: str) -> str:
        """Return the name of the origin that serves `path`."""
        return self.home if self.origins is None else self.origins.get(path, self.home)


class Sample(Protocol):
    """Decides which denials are sent through although nothing speaks for it."""

    def take(self) -> bool:
        """Say whether this one is; it counts against the bound then."""


class KeptAnswer:
    """A written refusal that waits for a decision id."""

    __slots__ = ()

    def answer(self, ruling: Ruling) -> LocalAnswer:
        """Return the answer for one more request like the first one."""
        raise NotImplementedError


_OFF: Final = Mode.OFF
"""Reading a member off its class is slow in Python 3.11."""


class LocalAnswer:
    """An answer made here. `fields` are whole header lines without framing; `close` hangs up after it."""

    __slots__ = ("body", "close", "fields", "status")

    def __init__(self, status: int, fields: bytes, body: bytes, close: bool = False) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.close = close


class Ruling:
    """One request's case. `answer` is None when the request is to be forwarded."""

    def __init__(self, decision_id: str, started_at: float, method: str, head: RequestHead | None, trace: Trace = NO_TRACE) -> None:
        self.decision_id = decision_id
        self.trace = trace
        self.request_id: str = (head.request_id if head is not None else "") or decision_id
        self.started_at = started_at
        self.method = method
        self.effective_method = method
        self.head = head
        self.mount: Mount | None = None
        self.peer: Peer = NO_PEER
        self.client: Client = UNIDENTIFIED
        self.client_until: float = NEVER
        """Until when (on the steady clock) it is believed which app is asking."""
        self.mode: Mode = _OFF
        self.target: Target | None = None
        self.match: Match | None = None
        self.resources: Resources = NO_RESOURCES
        self.fingerprint: Fingerprint | None = None
        self.knowledge: Knowledge | None = None
        self.cache: CacheResult = CacheResult.NONE
        self.prediction: Prediction | None = None
        self.decision: Decision = Decision.NOT_APPLICABLE
        self.outcome: Outcome = Outcome.FORWARDED
        self.reason: str = ""
        self.policy: str = ""
        self.missing: tuple[tuple[str, ...], ...] = ()
        self.evidence: Evidence = NO_EVIDENCE
        self.fault: str = ""
        self.refused_for: str = ""
        self.overtaken: bool = False
        self.watch: Watch = NO_WATCH
        self.answer: LocalAnswer | None = None
        self.kept: KeptAnswer | None = None
        """How to answer the very same request again without writing the refusal anew; None where it is not answered here."""
        self.memos: dict[int, dict[object, Any]] | None = None
        """Scratch space of the recorders by status, shared by all rulings that are this one again."""

    def again(self, decision_id: str, started_at: float, trace: Trace = NO_TRACE) -> Ruling:
        """Return the same ruling for one more request."""
        copy = Ruling(decision_id, started_at, self.method, self.head, trace)
        copy.effective_method = self.effective_method
        copy.mount = self.mount
        copy.peer = self.peer
        copy.client = self.client
        copy.client_until = self.client_until
        copy.mode = self.mode
        copy.target = self.target
        copy.match = self.match
        copy.resources = self.resources
        copy.fingerprint = self.fingerprint
        copy.knowledge = self.knowledge
        copy.cache = self.cache
        copy.prediction = self.prediction
        copy.decision = self.decision
        copy.outcome = self.outcome
        copy.reason = self.reason
        copy.policy = self.policy
        copy.missing = self.missing
        copy.evidence = self.evidence
        copy.fault = self.fault
        copy.watch = self.watch
        copy.answer = self.answer
        copy.kept = self.kept
        copy.memos = self.memos
        return copy

    def stamp(self, answered_by: bytes) -> bytes:
        """Return the header lines that every response carries (contract section 6)."""
        return b"Scopegate-Answered-By: %b\r\nScopegate-Decision: %b\r\nScopegate-Decision-Id: %b\r\nX-Request-ID: %b\r\n" % (
            answered_by,
            _DECISION_BYTES[self.decision],
            self.decision_id.encode(),
            self.request_id.encode(),
        )


_DECISION_BYTES: Final = {decision: decision.value.encode() for decision in Decision}
