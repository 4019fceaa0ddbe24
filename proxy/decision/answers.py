"""The answers made here: denials in the vendor's shape, and the proxy's own faults as problem documents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy import errors
from proxy.decision.explain import explain
from proxy.decision.ruling import KeptAnswer, LocalAnswer
from proxy.errors import Fault, problem
from proxy.model import OPERATION_SCOPE_PREFIX
from proxy.telemetry.exchange import Outcome

if TYPE_CHECKING:
    from proxy.decision.ruling import Mount, Ruling
    from proxy.vendors.refusals import Denial, Refusal


def refusal_answer(ruling: Ruling, denial: Denial, policy: bool) -> LocalAnswer:
    """Return the vendor's own answer to a denied request, with the `scopegate` member added as the last one."""
    mount = ruling.mount
    assert mount is not None
    refusal = write_refusal(mount, denial, policy)
    member = explain(ruling.decision_id, mount.vendor, denial, ruling.knowledge, ruling.evidence)
    body = orjson.dumps({**refusal.body, "scopegate": member}, option=orjson.OPT_INDENT_2 if refusal.indent else None)
    extra = "".join(f"{name}: {value}\r\n" for name, value in refusal.headers.items())
    fields = b"Content-Type: application/json\r\nCache-Control: no-store\r\nScopegate-Reason: %b\r\n%b%b" % (
        denial.reason.value.encode(),
        challenge(mount.vendor.name, denial).encode(),
        extra.encode("latin-1"),
    )
    if refusal.constant and not policy:
        _keep(ruling, denial, refusal.status, fields, body)
    return LocalAnswer(refusal.status, ruling.stamp(b"proxy") + fields, body)


def _keep(ruling: Ruling, denial: Denial, status: int, fields: bytes, body: bytes) -> None:
    """Keep a refusal for the same token, operation and method, unless it tells of one request's resources or of a moment."""
    match, knowledge = ruling.match, ruling.knowledge
    if knowledge is None or match is None or match.operation.resource is not None or denial.recheck_at:
        return
    before, _, after = body.partition(ruling.decision_id.encode())
    kept = KeptRefusal(status, fields, before, after, ruling.missing, ruling.reason)
    knowledge.memo[ruling.effective_method, match.operation] = kept


class KeptRefusal(KeptAnswer):
    """A written refusal that waits for a decision id. Kept with a token's knowledge, it dies with it."""

    __slots__ = ("after", "before", "fields", "memos", "missing", "reason", "status")

    def __init__(self, status: int, fields: bytes, before: bytes, after: bytes, missing: tuple[tuple[str, ...], ...], reason: str) -> None:
        self.status = status
        self.fields = fields
        self.before = before
        self.after = after
        self.missing = missing
        self.reason = reason
        self.memos: dict[str, dict[int, dict[object, Any]]] = {}
        """`Ruling.memos` by client: two apps may use one token."""

    def answer(self, ruling: Ruling) -> LocalAnswer:
        """Return the answer for one more request like the first one."""
        identifier = ruling.decision_id.encode()
        return LocalAnswer(self.status, ruling.stamp(b"proxy") + self.fields, b"%b%b%b" % (self.before, identifier, self.after))


def kept_refusal(ruling: Ruling) -> KeptRefusal | None:
    """Return the refusal written before for the same token, operation and method (HEAD counts as GET elsewhere, but is named)."""
    if ruling.knowledge is None or ruling.match is None:
        return None
    kept = ruling.knowledge.memo.get((ruling.effective_method, ruling.match.operation))
    return kept if isinstance(kept, KeptRefusal) else None


def write_refusal(mount: Mount, denial: Denial, policy: bool) -> Refusal:
    """Let the vendor write its refusal, or the policy's in the vendor's envelope."""
    if policy:
        return mount.vendor.write_policy_refusal(denial)
    return mount.vendor.write_refusal(denial, mount.shapes.get(mount.vendor.shape_variant(denial)))


def challenge(realm: str, denial: Denial) -> str:
    """Return the WWW-Authenticate line of a denial (RFC 6750 section 3); scopes outside its grammar are left out."""
    scopes = " ".join(name for name in denial.scopes if _is_scope_token(name))
    named = f', scope="{scopes}"' if scopes else ""
    return f'WWW-Authenticate: Bearer realm="{realm}", error="insufficient_scope"{named}\r\n'


def _is_scope_token(name: str) -> bool:
    """RFC 6749 section 3.3: printable ASCII without blank, quote and backslash; our stand-ins are no scopes."""
    if name == "*" or name.startswith(OPERATION_SCOPE_PREFIX):
        return False
    return bool(name) and all("!" <= character <= "~" and character not in '"\\' for character in name)


def refuse(ruling: Ruling, fault: Fault) -> Ruling:
    """Turn a ruling into the answer for one of the proxy's own faults; return it."""
    ruling.fault = fault.reason
    ruling.answer = problem_answer(ruling, fault)
    if fault is errors.INTERNAL:
        ruling.outcome = Outcome.INTERNAL_ERROR
    else:
        ruling.outcome = Outcome.UPSTREAM_ERROR if fault.reason in errors.UPSTREAM_REASONS else Outcome.BAD_REQUEST
    return ruling


def problem_answer(ruling: Ruling, fault: Fault) -> LocalAnswer:
    """Return the RFC 9457 answer to one of the proxy's own faults."""
    body = orjson.dumps({**problem(fault), "decision_id": ruling.decision_id})
    retry = b"Retry-After: %d\r\n" % fault.retry_after if fault.retry_after else b""
    fields = b"%bContent-Type: application/problem+json\r\nCache-Control: no-store\r\nScopegate-Reason: %b\r\n%b" % (
        ruling.stamp(b"proxy"),
        fault.reason.encode(),
        retry,
    )
    return LocalAnswer(fault.status, fields, body, fault.close)
