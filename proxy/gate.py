"""The enforcement point: one request in, one ruling out. Reads like the table in the architecture page.

No I/O: clocks, ids and stores are constructor arguments, so the byte path and the admin listener drive the same gate.
Prediction fails open (a bug while predicting forwards and is counted), policy fails closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from proxy import errors
from proxy.answers import kept_refusal, problem_answer, refusal_answer
from proxy.clients import Client, identify_client
from proxy.credentials import Fingerprint, Fingerprinter, Secret
from proxy.denials import denial_reason, predicted_denial
from proxy.errors import Fault
from proxy.explain import NO_EVIDENCE, Evidence
from proxy.grants import Knowledge
from proxy.headers import Credential, RequestHead
from proxy.identifiers import IdMaker
from proxy.learning import Moment
from proxy.locator import Locator
from proxy.model import (
    NO_RESOURCES,
    NOTHING_KNOWN,
    AnyToken,
    Deny,
    Indeterminate,
    Mode,
    NotApplicable,
    Operation,
    Permit,
    Prediction,
    Source,
    Unbounded,
)
from proxy.policy import NotAllowed, Verdict, allows
from proxy.prediction import predict
from proxy.ruling import Mount, Ruling
from proxy.targets import Target
from proxy.telemetry.exchange import CacheResult, Decision, Outcome
from proxy.token_reader import TokenReader
from proxy.vendors.base import BadRequest, Denial

PREDICTION_ERROR: Final = "prediction_error"
MAX_KEPT_RULINGS: Final = 32
"""Rulings remembered per distinct set of header fields on a connection."""
_RECHECKED: Final = frozenset(("GET", "HEAD"))
"""Methods of requests that may be let through to find out: safe ones (RFC 9110 section 9.2.1)."""
_HIT: Final = CacheResult.HIT
_MISS: Final = CacheResult.MISS
_NOT_APPLICABLE: Final = NotApplicable()
_NOT_NAMED: Final = Unbounded()
_DECISIONS: Final = {
    Permit: Decision.PERMIT,
    Deny: Decision.DENY,
    Indeterminate: Decision.INDETERMINATE,
    NotApplicable: Decision.NOT_APPLICABLE,
}


class Clocks(Protocol):
    """`now`: seconds of a clock that never jumps. `wall`: seconds since the epoch."""

    def now(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall(self) -> float:
        """Return seconds since the epoch."""


class Gate:
    """Decides. `clients` empty means that everybody is anonymous."""

    def __init__(
        self,
        mounts: Sequence[Mount],
        clients: Sequence[Client],
        fingerprinter: Fingerprinter,
        clocks: Clocks,
        make_id: IdMaker,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.mounts = tuple(mounts)
        self._locator = Locator(mounts, on_bug)
        self._tokens = TokenReader(fingerprinter)
        self._clients = tuple(clients)
        self._clocks = clocks
        self._make_id = make_id
        self._on_bug = on_bug

    # --- the way of one request

    def open(self, method: str, raw_target: bytes, head: RequestHead) -> Ruling:
        """Rule on one request: forward it, or answer it (`ruling.answer`)."""
        same = self._same(method, raw_target, head)
        if same is not None:
            return self._again(same)
        ruling = self._begin(method, head)
        fault = self._read(ruling, raw_target, head)
        if fault is not None:
            return self.refuse(ruling, fault)
        if ruling.mode is Mode.OFF:
            self._leave_alone(ruling)
            return ruling
        self._rule(ruling)
        if head.repeats and not ruling.fault and (ruling.kept is not None or not self._may_change(ruling)):
            self._keep(method, raw_target, head, ruling)
        return ruling

    def _again(self, same: Ruling) -> Ruling:
        wall = self._clocks.wall()
        ruling = same.again(self._make_id(wall), wall)
        if same.kept is not None:
            ruling.answer = same.kept.answer(ruling)
        return ruling

    def _same(self, method: str, raw_target: bytes, head: RequestHead) -> Ruling | None:
        """Return the ruling on the very same request before, if what was known of its token still stands."""
        if head.rulings is None or head.rulings[0] is not self:
            return None
        kept: Ruling | None = head.rulings[1].get((method, raw_target))
        if kept is None or kept.fingerprint is None:
            return kept
        assert kept.mount is not None
        known = kept.mount.store.get(kept.fingerprint, self._clocks.now())
        return kept if known is kept.knowledge and known is not None else None

    def _keep(self, method: str, raw_target: bytes, head: RequestHead, ruling: Ruling) -> None:
        """Remember a ruling with header fields that repeat on their connection."""
        if head.rulings is None or head.rulings[0] is not self or len(head.rulings[1]) >= MAX_KEPT_RULINGS:
            head.rulings = (self, {})
        kept = ruling.again("", 0.0)
        kept.memos = kept.memos if kept.memos is not None else {}
        head.rulings[1][method, raw_target] = kept

    def _may_change(self, ruling: Ruling) -> bool:
        """Say whether the same request may be ruled on differently although what is known of its token has not changed."""
        if ruling.answer is not None:
            return True
        return ruling.fingerprint is not None and (ruling.knowledge is None or not isinstance(ruling.prediction, Permit | NotApplicable))

    def _leave_alone(self, ruling: Ruling) -> None:
        """Decide nothing. Whoever learns from the answer must still know which resources it is about."""
        ruling.decision = Decision.OFF
        try:
            self._name_resources(ruling)
        except Exception as bug:
            self._on_bug(bug)

    def _rule(self, ruling: Ruling) -> Ruling:
        self._predict(ruling)
        verdict = self._allow(ruling)
        if isinstance(verdict, Fault):
            return self.refuse(ruling, verdict)
        return self._enforce(ruling, verdict)

    def reject(self, fault: Fault, method: str = "") -> Ruling:
        """Rule on a message that could not be read: answer it with `fault`."""
        return self.refuse(self._begin(method, None), fault)

    def refuse(self, ruling: Ruling, fault: Fault) -> Ruling:
        """Turn a ruling into the answer for one of the proxy's own faults."""
        ruling.fault = fault.reason
        ruling.answer = problem_answer(ruling, fault)
        if fault is errors.INTERNAL:
            ruling.outcome = Outcome.INTERNAL_ERROR
        else:
            ruling.outcome = Outcome.UPSTREAM_ERROR if fault.reason in errors.UPSTREAM_REASONS else Outcome.BAD_REQUEST
        return ruling

    def _begin(self, method: str, head: RequestHead | None) -> Ruling:
        wall = self._clocks.wall()
        return Ruling(self._make_id(wall), wall, method, head)

    # --- canonicalise, identify, know

    def _read(self, ruling: Ruling, raw_target: bytes, head: RequestHead) -> Fault | None:
        """Find out which operation of which vendor is meant, who asks, with which token, and what is known of it."""
        found = self._locator.locate(ruling.method, raw_target, head)
        if isinstance(found, Fault):
            return found
        located, target = found
        ruling.mount = mount = located.mount
        ruling.target = target
        ruling.client = client = identify_client(self._clients, head.client_key)
        ruling.mode = client.mode or mount.mode
        meant = self._locator.effective(ruling.method, located, target, head)
        if isinstance(meant, BadRequest):
            return errors.from_bad_target(meant.reason, meant.detail)
        ruling.effective_method, ruling.match, ruling.watch, sound = meant
        if not sound:
            ruling.fault = PREDICTION_ERROR
            ruling.resources = _NOT_NAMED if ruling.match is None else NO_RESOURCES
        credential = self._credential(ruling, mount, target, head)
        if isinstance(credential, Fault):
            return credential
        if credential is not None:
            self._know(ruling, mount, *credential)
        return None

    def _credential(self, ruling: Ruling, mount: Mount, target: Target, head: RequestHead) -> Credential:
        """Read the token; a bug on the way counts as not knowing of any."""
        try:
            return self._tokens.read(mount, target, head)
        except Exception as bug:
            self._on_bug(bug)
            ruling.fault = PREDICTION_ERROR
            return None

    def _know(self, ruling: Ruling, mount: Mount, token: Secret, fingerprint: Fingerprint) -> None:
        ruling.fingerprint = fingerprint
        ruling.knowledge = mount.store.get(fingerprint, self._clocks.now()) or self._knowledge_in_token(mount, token)
        ruling.cache = _MISS if ruling.knowledge is None else _HIT

    def _knowledge_in_token(self, mount: Mount, token: Secret) -> Knowledge | None:
        """Read what the token itself tells; a bug on the way counts as not knowing."""
        try:
            issued = mount.vendor.knowledge_in_token(token)
            return None if issued is None else mount.learner.issue(issued, self.moment())
        except Exception as bug:
            self._on_bug(bug)
            return None

    # --- predict, allow

    def _predict(self, ruling: Ruling) -> None:
        """Predict; a bug on the way counts as not knowing."""
        assert ruling.mount is not None
        try:
            ruling.prediction = self._prediction(ruling, ruling.mount)
        except Exception as bug:
            self._on_bug(bug)
            ruling.fault = PREDICTION_ERROR
            ruling.prediction = NotApplicable() if ruling.match is None else Indeterminate(ruling.match.operation, "internal error")
        ruling.decision = _DECISIONS[type(ruling.prediction)]
        if ruling.knowledge is not None and ruling.evidence is NO_EVIDENCE:
            ruling.evidence = _evidence(ruling.prediction, ruling.knowledge)

    def _prediction(self, ruling: Ruling, mount: Mount) -> Prediction:
        """Ask `predict`; the answer for a token and an unbound operation is remembered with the token's knowledge."""
        match, knowledge = ruling.match, ruling.knowledge
        if match is None:
            return _NOT_APPLICABLE
        operation = match.operation
        if operation.resource is not None:
            self._name_resources(ruling)
        elif knowledge is not None:
            return self._remembered(ruling, operation, knowledge, mount)
        grants = knowledge.grants if knowledge is not None else NOTHING_KNOWN
        return predict(operation, grants, ruling.resources, mount.implied_by)

    def _name_resources(self, ruling: Ruling) -> None:
        """Find out which resources are concerned; they stay open until it is known, so that nothing wrong is learned about them."""
        if ruling.match is None or ruling.match.operation.resource is None:
            return
        assert ruling.mount is not None
        assert ruling.target is not None
        ruling.resources = _NOT_NAMED
        ruling.resources = ruling.mount.vendor.resources(ruling.match, ruling.target)

    def _remembered(self, ruling: Ruling, operation: Operation, knowledge: Knowledge, mount: Mount) -> Prediction:
        kept = knowledge.memo.get(operation)
        if kept is None:
            prediction = predict(operation, knowledge.grants, NO_RESOURCES, mount.implied_by)
            kept = knowledge.memo[operation] = (prediction, _evidence(prediction, knowledge))
        prediction, ruling.evidence = kept
        return prediction

    def _allow(self, ruling: Ruling) -> Verdict | Fault:
        """Ask policy; a bug on the way refuses, because policy fails closed."""
        assert ruling.mount is not None
        try:
            operation = ruling.match.operation if ruling.match is not None else None
            return allows(ruling.mount.rules, ruling.client, operation, token_known=_is_known(ruling.knowledge))
        except Exception as bug:
            self._on_bug(bug)
            return errors.INTERNAL

    # --- refuse or forward

    def _enforce(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        prediction = ruling.prediction
        if isinstance(verdict, NotAllowed):
            ruling.reason = verdict.reason
        elif isinstance(prediction, Deny):
            kept = kept_refusal(ruling) if ruling.mode is Mode.ENFORCE else None
            if kept is not None:
                ruling.missing, ruling.reason, ruling.decision = kept.missing, kept.reason, Decision.DENY
                ruling.kept, ruling.memos = kept, kept.memos.setdefault(ruling.client.name, {})
                ruling.answer, ruling.outcome = kept.answer(ruling), Outcome.DENIED
                return ruling
            if self._rechecks(ruling, prediction):
                return ruling
            ruling.missing = prediction.missing
            assert ruling.mount is not None
            ruling.reason = denial_reason(ruling.mount.vendor, prediction, ruling.knowledge)
        else:
            return ruling
        return self._refuse_or_shadow(ruling, verdict)

    def _rechecks(self, ruling: Ruling, deny: Deny) -> bool:
        """Let one denied request through now and then where an administrator may have ended the lack in the meantime."""
        if ruling.effective_method not in _RECHECKED or ruling.mode is not Mode.ENFORCE or ruling.knowledge is None:
            return False
        assert ruling.mount is not None
        assert ruling.fingerprint is not None
        if not ruling.mount.learner.take_recheck(ruling.knowledge, ruling.fingerprint, deny, self.moment()):
            return False
        ruling.prediction = Indeterminate(deny.operation, "it is time to find out whether the account was corrected")
        ruling.decision, ruling.evidence = Decision.INDETERMINATE, NO_EVIDENCE
        return True

    def _recheck_at(self, ruling: Ruling, deny: Deny) -> float:
        """Return the wall time of the next such request, 0 where there will be none."""
        if ruling.knowledge is None or ruling.effective_method not in _RECHECKED:
            return 0.0
        records = ruling.knowledge.changeable_lacks(frozenset(deny.missing[0]), deny.resources)
        if not records:
            return 0.0
        return ruling.started_at + max(0.0, max(record.recheck for record in records) - self._clocks.now())

    def _refuse_or_shadow(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        if ruling.mode is Mode.SHADOW:
            ruling.decision, ruling.outcome = Decision.WOULD_DENY, Outcome.WOULD_DENY
            return ruling
        ruling.decision = Decision.DENY
        try:
            ruling.answer = refusal_answer(ruling, self._denial(ruling, verdict), isinstance(verdict, NotAllowed))
        except Exception as bug:
            self._on_bug(bug)
            return self._cannot_refuse(ruling, verdict)
        ruling.outcome = Outcome.DENIED
        return ruling

    def _cannot_refuse(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        if isinstance(verdict, NotAllowed):
            return self.refuse(ruling, errors.INTERNAL)
        ruling.fault, ruling.decision, ruling.reason, ruling.missing = PREDICTION_ERROR, Decision.INDETERMINATE, "", ()
        return ruling

    def _denial(self, ruling: Ruling, verdict: Verdict) -> Denial:
        mount, deny = ruling.mount, ruling.prediction
        assert mount is not None
        assert ruling.target is not None
        if isinstance(verdict, NotAllowed):
            subject = ruling.knowledge.subject if ruling.knowledge is not None else ""
            return Denial(
                verdict.reason, ruling.effective_method, ruling.target, ruling.match, (), ruling.resources, subject, verdict.message
            )
        assert isinstance(deny, Deny)
        return predicted_denial(
            mount.vendor,
            mount.implied_by,
            deny,
            ruling.knowledge,
            ruling.effective_method,
            ruling.target,
            ruling.match,
            ruling.resources,
            at=ruling.started_at,
            recheck_at=self._recheck_at(ruling, deny),
        )

    def moment(self) -> Moment:
        """Return the present moment on both clocks."""
        return Moment(self._clocks.now(), self._clocks.wall())


def _is_known(knowledge: Knowledge | None) -> bool:
    """Say whether policy may count a token as known: what an unverified token says of itself allows nothing (contract section 5)."""
    return knowledge is not None and knowledge.source is not Source.TOKEN_CLAIM


def _evidence(prediction: Prediction, knowledge: Knowledge) -> Evidence:
    """Return what a verdict rests on; a verdict that needs no knowledge rests on none."""
    match prediction:
        case Permit(operation=operation) if isinstance(operation.requirement, AnyToken):
            return NO_EVIDENCE
        case Permit():
            return Evidence(knowledge.source, knowledge.observed_at)
        case Deny(missing=missing, resources=resources):
            return Evidence(*knowledge.evidence_for(frozenset(missing[0]), resources))
        case _:
            return NO_EVIDENCE
