"""The end of every request: learn from what the vendor said, and hand one frozen `Exchange` to the recorders.

No I/O of its own. A bug while learning is counted and harms nobody; the record is made in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from proxy.decision.gate import Gate
from proxy.decision.ruling import Mount, Ruling
from proxy.errors import TRANSPORT_REASONS, UPSTREAM_REASONS
from proxy.model import NOTHING_KNOWN, Deny, Indeterminate, NotApplicable, Permit
from proxy.prediction import predict
from proxy.protocol.bodies import decode_body
from proxy.telemetry.exchange import LIKE, Actual, Exchange, Outcome, Predicted, Repetition, ResponseKind, likeness
from proxy.vendors.facts import Lacks
from proxy.vendors.seen import Seen, Verdict, plain_kind

_PREDICTED: Final = {
    Permit: Predicted.PERMIT,
    Deny: Predicted.DENY,
    Indeterminate: Predicted.INDETERMINATE,
    NotApplicable: Predicted.NOT_APPLICABLE,
    type(None): Predicted.NONE,
}
_ACTUAL: Final = {
    ResponseKind.OK: Actual.ACCEPTED,
    ResponseKind.PERMISSION: Actual.REFUSED_PERMISSION,
    ResponseKind.AUTH: Actual.REFUSED_OTHER,
    ResponseKind.RATE_LIMIT: Actual.REFUSED_OTHER,
    ResponseKind.OTHER_4XX: Actual.REFUSED_OTHER,
    ResponseKind.SERVER_ERROR: Actual.FAILED,
    ResponseKind.TRANSPORT: Actual.FAILED,
    ResponseKind.NONE: Actual.NOT_SENT,
}
LEARNING_ERROR: Final = "learning_error"
_OK: Final = ResponseKind.OK
_ACCEPTED: Final = Actual.ACCEPTED
_NOT_ASKED: Final = ResponseKind.NONE
_NOT_SENT: Final = Actual.NOT_SENT
_DENIED: Final = Outcome.DENIED


class Result:
    """What became of a request. Bodies are the bounded copies as they passed, None where none was taken. Times in seconds."""

    __slots__ = (
        "answered_by", "content_encoding", "content_type", "duration", "fault", "request_body", "request_bytes", "response_body",
        "response_bytes", "status", "vendor_duration",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        answered_by: str,
        fault: str = "",
        request_bytes: int = 0,
        response_bytes: int = 0,
        duration: float = 0.0,
        vendor_duration: float = 0.0,
        request_body: bytes | None = None,
        response_body: bytes | None = None,
        content_encoding: bytes = b"",
        content_type: bytes = b"",
    ) -> None:
        self.status = status
        self.answered_by = answered_by
        self.fault = fault
        self.request_bytes = request_bytes
        self.response_bytes = response_bytes
        self.duration = duration
        self.vendor_duration = vendor_duration
        self.request_body = request_body
        self.response_body = response_body
        self.content_encoding = content_encoding
        self.content_type = content_type


class Closer:
    """Closes rulings. `record` is given every `Exchange`; `limit` bounds what a body may grow to when decoded, in bytes.

    `revision` names the configuration by which was decided.
    Where there is a `repeat`, it is given those that are like one that was recorded before, in place of `record`.
    """

    def __init__(
        self,
        gate: Gate,
        record: Callable[[Exchange], None],
        on_bug: Callable[[BaseException], None],
        limit: int,
        revision: str = "",
        repeat: Callable[[Repetition], None] | None = None,
    ) -> None:
        self._revision = revision
        self._gate = gate
        self._record = record
        self._repeat = repeat
        self._on_bug = on_bug
        self._limit = limit

    def reads_answer(self, ruling: Ruling, status: int) -> bool:
        """Say whether the body of an answer with this status must be copied aside; a bug on the way counts as no."""
        if ruling.watch.response:
            return True
        assert ruling.mount is not None
        try:
            return ruling.mount.vendor.watch_answer(status, ruling.match)
        except Exception as bug:
            self._on_bug(bug)
            return False

    def close(self, ruling: Ruling, result: Result) -> None:
        """Learn from `result` and record it; called once per request."""
        if (  # nothing to learn: the vendor accepted what it was predicted to accept, and no body was watched
            result.response_body is None
            and result.request_body is None
            and result.status < 300
            and result.answered_by == "vendor"
            and not result.fault
            and not ruling.fault
            and type(ruling.prediction) is Permit
        ):
            self._record_ordinary(ruling, result, _OK, _ACCEPTED)
        elif ruling.outcome is _DENIED and result.answered_by == "proxy" and not (result.fault or ruling.fault):
            self._record_ordinary(ruling, result, _NOT_ASKED, _NOT_SENT)
        else:
            kind, actual = self._judge(ruling, result)
            exchange = _exchange(ruling, result, kind, actual, None, self._revision)
            if ruling.refused_for or ruling.overtaken:
                exchange = exchange._replace(refused_for=ruling.refused_for, overtaken=ruling.overtaken)
            self._record(exchange)

    def _record_ordinary(self, ruling: Ruling, result: Result, kind: ResponseKind, actual: Actual) -> None:
        """Record what taught nothing: as one more like an earlier one where the ruling is known to repeat."""
        memo = _memo(ruling, result.status)
        like: Exchange | None = None if memo is None else memo.get(LIKE)
        if memo is not None and like is not None and self._repeat is not None:
            self._repeat(_repetition(ruling, result, like, memo))
            return
        exchange = _exchange(ruling, result, kind, actual, memo, self._revision)
        self._record(exchange)
        if memo is not None:
            memo[LIKE] = likeness(exchange)

    def learn(self, ruling: Ruling, result: Result) -> tuple[ResponseKind, Actual]:
        """Learn from an answer that was seen elsewhere and reported, and record nothing; say what the vendor did."""
        return self._judge(ruling, result)

    def _judge(self, ruling: Ruling, result: Result) -> tuple[ResponseKind, Actual]:
        """Say what the vendor did; learn from it where its answer is whole."""
        if (result.fault or ruling.fault) in TRANSPORT_REASONS:
            return ResponseKind.TRANSPORT, Actual.FAILED
        if result.answered_by != "vendor":
            return ResponseKind.NONE, Actual.NOT_SENT
        kind = plain_kind(result.status)
        return (kind, _ACTUAL[kind]) if result.fault else self._learned(ruling, result, kind)

    def _learned(self, ruling: Ruling, result: Result, kind: ResponseKind) -> tuple[ResponseKind, Actual]:
        verdict = Verdict(kind)
        try:
            if isinstance(ruling.prediction, Deny) and 200 <= result.status < 300:
                ruling.overtaken = self._overtaken(ruling, ruling.prediction)
            if result.request_body is not None or result.response_body is not None:
                seen = self._seen(ruling, result)
                assert ruling.mount is not None
                verdict = ruling.mount.vendor.classify(seen)
                self._learn(ruling, ruling.mount, seen)
            if 200 <= result.status < 300 and result.status != 207 and not isinstance(ruling.prediction, Permit):
                self._learn_success(ruling)
        except Exception as bug:
            self._on_bug(bug)
            ruling.fault = LEARNING_ERROR
        if verdict.kind is ResponseKind.PERMISSION and not verdict.about_scope:
            return verdict.kind, Actual.REFUSED_OTHER
        return verdict.kind, _ACTUAL[verdict.kind]

    def _learn(self, ruling: Ruling, mount: Mount, seen: Seen) -> None:
        moment = self._gate.moment()
        for fact in mount.vendor.learn(seen):
            mount.learner.apply(fact, ruling.fingerprint, moment)
            if isinstance(fact, Lacks):
                ruling.refused_for = fact.lack.scope

    def _overtaken(self, ruling: Ruling, deny: Deny) -> bool:
        """Say whether what is known by now, before this answer is learned from, would not deny the request any more."""
        mount = ruling.mount
        assert mount is not None
        assert ruling.fingerprint is not None
        known = mount.store.get(ruling.fingerprint, self._gate.moment().now)
        if known is ruling.knowledge:
            return False
        grants = known.grants if known is not None else NOTHING_KNOWN
        return not isinstance(predict(deny.operation, grants, ruling.resources, mount.implied_by), Deny)

    def _seen(self, ruling: Ruling, result: Result) -> Seen:
        assert ruling.target is not None
        assert ruling.head is not None
        request_coding = ruling.head.named.get("content-encoding", b"")
        return Seen(
            method=ruling.effective_method,
            target=ruling.target,
            match=ruling.match,
            headers=ruling.head.named,
            request_body=self._plain(result.request_body, request_coding),
            status=result.status,
            response_body=self._plain(result.response_body, result.content_encoding),
            resources=ruling.resources,
            subject=ruling.knowledge.subject if ruling.knowledge is not None else "",
            content_type=result.content_type.decode("latin-1"),
        )

    def _plain(self, body: bytes | None, coding: bytes) -> bytes | None:
        return None if body is None else decode_body(body, coding.strip().lower(), self._limit)

    def _learn_success(self, ruling: Ruling) -> None:
        mount, prediction = ruling.mount, ruling.prediction
        if mount is None or prediction is None or ruling.fingerprint is None:
            return
        mount.learner.accepted(prediction, ruling.resources, ruling.fingerprint, self._gate.moment())


def _memo(ruling: Ruling, status: int) -> dict[object, Any] | None:
    """Return the recorders' scratch space for this very outcome of a ruling that repeats."""
    if ruling.memos is None:
        return None
    memo = ruling.memos.get(status)
    if memo is None:
        memo = ruling.memos[status] = {}
    return memo


def _repetition(ruling: Ruling, result: Result, like: Exchange, memo: dict[object, Any]) -> Repetition:
    target = ruling.target
    return Repetition(
        like,
        memo,
        ruling.knowledge,
        ruling.decision_id,
        ruling.request_id,
        ruling.started_at,
        ruling.trace,
        target.path if target is not None else "",
        ruling.peer.address,
        result.request_bytes,
        result.response_bytes,
        result.duration,
        result.vendor_duration,
    )


def _exchange(
    ruling: Ruling, result: Result, kind: ResponseKind, actual: Actual, memo: dict[object, Any] | None, revision: str
) -> Exchange:
    mount, match = ruling.mount, ruling.match
    operation = match.operation if match is not None else None
    return Exchange(  # by position: it is made for every request, and names cost as much as the rest of it
        ruling.decision_id,
        ruling.request_id,
        ruling.started_at,
        mount.vendor.name if mount is not None else "none",
        ruling.client.name,
        ruling.mode,
        ruling.effective_method,
        operation.id if operation is not None else "",
        operation.route if operation is not None else "",
        ruling.target.path if ruling.target is not None else "",
        ruling.decision,
        _PREDICTED[type(ruling.prediction)],
        Outcome.UPSTREAM_ERROR if result.fault in UPSTREAM_REASONS else ruling.outcome,
        ruling.reason,
        ruling.missing,
        ruling.evidence.source,
        ruling.fingerprint.hex() if ruling.fingerprint is not None else "",
        ruling.cache,
        result.status,
        result.answered_by,
        actual,
        kind,
        result.fault or ruling.fault,
        result.request_bytes,
        result.response_bytes,
        result.duration,
        result.vendor_duration,
        memo,
        ruling.peer.address,
        operation,
        ruling.knowledge,
        ruling.resources,
        ruling.prediction,
        ruling.policy,
        revision,
        ruling.trace,
    )
