"""The one record of one request, handed to every recorder exactly once, even after a fault."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from proxy.grants import Knowledge
from proxy.model import NO_RESOURCES, Prediction, Resources
from proxy.model import Operation as CatalogRow
from proxy.protocol.trace_context import NO_TRACE, Trace


class Decision(StrEnum):
    """The value of the `Scopegate-Decision` header."""

    PERMIT = "permit"
    DENY = "deny"
    WOULD_DENY = "would-deny"
    INDETERMINATE = "indeterminate"
    NOT_APPLICABLE = "not-applicable"
    OFF = "off"


class Outcome(StrEnum):
    """What became of the request, as `scopegate_requests_total` counts it."""

    FORWARDED = "forwarded"
    DENIED = "denied"
    WOULD_DENY = "would_deny"
    BAD_REQUEST = "bad_request"
    UPSTREAM_ERROR = "upstream_error"
    INTERNAL_ERROR = "internal_error"


class Predicted(StrEnum):
    """The prediction as `scopegate_predictions_total` counts it; NONE where nothing was predicted (mode off, bad request)."""

    PERMIT = "permit"
    DENY = "deny"
    INDETERMINATE = "indeterminate"
    NOT_APPLICABLE = "not_applicable"
    NONE = "none"


class Actual(StrEnum):
    """What the vendor then really did."""

    ACCEPTED = "accepted"
    REFUSED_PERMISSION = "refused_permission"
    REFUSED_OTHER = "refused_other"
    FAILED = "failed"
    NOT_SENT = "not_sent"


class ResponseKind(StrEnum):
    """The kind of a vendor's answer; NONE where no vendor was asked."""

    OK = "ok"
    PERMISSION = "permission"
    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    OTHER_4XX = "other_4xx"
    SERVER_ERROR = "server_error"
    TRANSPORT = "transport"
    NONE = "none"


class CacheResult(StrEnum):
    """How the look-up of a token's knowledge went; NONE where no token was looked up."""

    HIT = "hit"
    MISS = "miss"
    NONE = "none"


class Exchange(NamedTuple):
    """Everything that is recorded about one request. No token, no query value, no body, ever.

    Times are seconds; `started_at` is seconds since the epoch. `path` is the vendor's path without its query.
    `missing` has the lacking scopes per alternative. `fault` is the reason of a fault (`errors.py`) or "".
    """

    decision_id: str
    request_id: str
    started_at: float
    vendor: str
    client: str
    mode: str
    method: str
    operation: str
    route: str
    path: str
    decision: Decision
    predicted: Predicted
    outcome: Outcome
    reason: str
    missing: tuple[tuple[str, ...], ...]
    evidence: str
    fingerprint: str
    cache: CacheResult
    status: int
    answered_by: str
    actual: Actual
    response_kind: ResponseKind
    fault: str
    request_bytes: int
    response_bytes: int
    duration: float
    vendor_duration: float
    memo: dict[object, Any] | None = None
    """Scratch space for recorders, shared by exchanges that differ in nothing but ids, times and sizes; None where there is none."""
    peer: str = ""
    """The address of the app's connection, without its port."""
    row: CatalogRow | None = None
    """The catalogue's row, None where no operation was found."""
    knowledge: Knowledge | None = None
    """What was known of the token when the request was decided; what the answer taught is not in it."""
    resources: Resources = NO_RESOURCES
    prediction: Prediction | None = None
    policy: str = ""
    """Which of the operator's own rules was against the request (`Objection`), "" where none was."""
    revision: str = ""
    """The configuration by which it was decided."""
    trace: Trace = NO_TRACE
    """The request's place in its trace."""
    refused_for: str = ""
    """The scope that the vendor's refusal names, as it was learned; "" where it names none."""
    overtaken: bool = False
    """Whether what is known of the token changed before an acceptance came, so that the request would not be denied any more."""


LIKE: Final = "exchange"
"""The key of the earlier exchange in recorders' scratch space."""


class Repetition:
    """One more exchange that differs from an earlier one in nothing but what stands here. Units as in `Exchange`.

    `like` is the earlier one without what it would keep alive (`memo` and `knowledge` are None in it); `memo` is never None.
    """

    __slots__ = (
        "_exchange", "decision_id", "duration", "knowledge", "like", "memo", "path", "peer", "request_bytes", "request_id",
        "response_bytes", "started_at", "trace", "vendor_duration",
    )  # fmt: skip

    def __init__(
        self,
        like: Exchange,
        memo: dict[object, Any],
        knowledge: Knowledge | None,
        decision_id: str,
        request_id: str,
        started_at: float,
        trace: Trace,
        path: str,
        peer: str,
        request_bytes: int,
        response_bytes: int,
        duration: float,
        vendor_duration: float,
    ) -> None:
        self.like = like
        self.memo = memo
        self.knowledge = knowledge
        self.decision_id = decision_id
        self.request_id = request_id
        self.started_at = started_at
        self.trace = trace
        self.path = path
        self.peer = peer
        self.request_bytes = request_bytes
        self.response_bytes = response_bytes
        self.duration = duration
        self.vendor_duration = vendor_duration
        self._exchange: Exchange | None = None

    def exchange(self) -> Exchange:
        """Return it written out; the same one every time."""
        if self._exchange is None:
            self._exchange = self.like._replace(
                memo=self.memo,
                knowledge=self.knowledge,
                decision_id=self.decision_id,
                request_id=self.request_id,
                started_at=self.started_at,
                trace=self.trace,
                path=self.path,
                peer=self.peer,
                request_bytes=self.request_bytes,
                response_bytes=self.response_bytes,
                duration=self.duration,
                vendor_duration=self.vendor_duration,
            )
        return self._exchange


def likeness(exchange: Exchange) -> Exchange:
    """Return an exchange as later ones that repeat it refer to it."""
    return exchange._replace(memo=None, knowledge=None)
