"""Predict, allow, refuse or forward: what follows from a request that was read. Pure; the clock is passed in.

Prediction fails open (a bug while predicting forwards and is counted), policy fails closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy import errors
from proxy.decision.answers import kept_refusal, refusal_answer, refuse
from proxy.decision.denials import denial_reason, predicted_denial
from proxy.decision.explain import NO_EVIDENCE, Evidence
from proxy.decision.ruling import Mount, Ruling
from proxy.errors import Fault
from proxy.evidence.scoring import RECHECK
from proxy.grants import Knowledge
from proxy.knowledge.learning import Moment
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
    Unbounded,
)
from proxy.policy.rules import NotAllowed, Verdict, Within, allows, settle, speaks_for_token
from proxy.prediction import predict
from proxy.telemetry.exchange import Decision, Outcome
from proxy.vendors.refusals import Denial

PREDICTION_ERROR: Final = "prediction_error"
_RECHECKED: Final = frozenset(("GET", "HEAD"))
"""Methods of requests that may be let through to find out: safe ones (RFC 9110 section 9.2.1)."""
_NOT_APPLICABLE: Final = NotApplicable()
_SHADOW: Final = Mode.SHADOW
NOT_NAMED: Final = Unbounded()
"""The resources of a request of which nobody could say which it concerns."""
_DECISIONS: Final = {
    Permit: Decision.PERMIT,
    Deny: Decision.DENY,
    Indeterminate: Decision.INDETERMINATE,
    NotApplicable: Decision.NOT_APPLICABLE,
}


class Judge:
    """Judges rulings whose mount, operation, client and token are known. `on_bug` is told of exceptions that are ours."""

    def __init__(self, moment: Callable[[], Moment], on_bug: Callable[[BaseException], None]) -> None:
        self._moment = moment
        self._on_bug = on_bug
        self._era = object()
        """Marks what belongs to this judge in the scratch space of what is known of a token, which outlives it."""

    def leave_alone(self, ruling: Ruling) -> None:
        """Decide nothing. Whoever learns from the answer must still know which resources it is about."""
        ruling.decision = Decision.OFF
        try:
            self._name_resources(ruling)
        except Exception as bug:
            self._on_bug(bug)

    def rule(self, ruling: Ruling) -> Ruling:
        """Predict, ask policy, and say what follows."""
        self.predict(ruling)
        verdict = self._allow(ruling)
        if isinstance(verdict, Fault):
            return refuse(ruling, verdict)
        return self._enforce(ruling, verdict)

    # --- predict, allow

    def predict(self, ruling: Ruling) -> None:
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
        ruling.resources = NOT_NAMED
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
        mount, target = ruling.mount, ruling.target
        assert mount is not None
        assert target is not None
        try:
            operation = ruling.match.operation if ruling.match is not None else None
            method = "" if ruling.fault == PREDICTION_ERROR else ruling.effective_method
            known = speaks_for_token(ruling.knowledge)
            verdict = allows(mount.rules, ruling.client, operation, token_known=known, method=method, path=target.path)
            return self._settled(ruling, mount, verdict) if isinstance(verdict, Within) else verdict
        except Exception as bug:
            self._on_bug(bug)
            return errors.INTERNAL

    def _settled(self, ruling: Ruling, mount: Mount, within: Within) -> Verdict:
        assert ruling.prediction is not None
        grants = ruling.knowledge.grants if ruling.knowledge is not None else NOTHING_KNOWN
        return settle(within, ruling.prediction, grants, ruling.resources, mount.implied_by)

    # --- refuse or forward

    def _enforce(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        prediction = ruling.prediction
        forwards = ruling.mode is _SHADOW
        if isinstance(verdict, NotAllowed):
            ruling.reason, ruling.policy = verdict.reason, verdict.objection
        elif isinstance(prediction, Deny):
            forwards = forwards or self._is_not_enforced(ruling, prediction)
            kept = None if forwards else kept_refusal(ruling)
            if kept is not None:
                ruling.missing, ruling.reason, ruling.decision = kept.missing, kept.reason, Decision.DENY
                ruling.kept, ruling.memos = kept, kept.memos.setdefault(ruling.client.name, {})
                ruling.answer, ruling.outcome = kept.answer(ruling), Outcome.DENIED
                return ruling
            if not forwards and self._rechecks(ruling, prediction):
                return ruling
            ruling.missing = prediction.missing
            assert ruling.mount is not None
            ruling.reason = denial_reason(ruling.mount.vendor, prediction, ruling.knowledge)
        else:
            if type(prediction) is Permit:
                self._share_memos(ruling, prediction)
            return ruling
        return self._refuse_or_shadow(ruling, verdict, forwards)

    def _share_memos(self, ruling: Ruling, permit: Permit) -> None:
        """Let recorders remember what all requests of an app with this token and operation have in common."""
        knowledge = ruling.knowledge
        if knowledge is not None and ruling.resources is NO_RESOURCES:
            key = (self._era, permit.operation, ruling.effective_method, ruling.client.name)
            memos = knowledge.memo.get(key)
            if memos is None:
                memos = knowledge.memo[key] = {}
            ruling.memos = memos

    def _is_not_enforced(self, ruling: Ruling, deny: Deny) -> bool:
        """Say whether this denial is forwarded and scored: its operation was put back to shadow, or it is one of the sample."""
        mount = ruling.mount
        assert mount is not None
        if deny.operation.id in mount.demoted:
            ruling.mode = Mode.SHADOW
            return True
        return mount.sample is not None and ruling.effective_method in _RECHECKED and ruling.method in _RECHECKED and mount.sample.take()

    def _rechecks(self, ruling: Ruling, deny: Deny) -> bool:
        """Let one denied request through now and then where an administrator may have ended the lack in the meantime."""
        if ruling.effective_method not in _RECHECKED or ruling.knowledge is None:
            return False
        assert ruling.mount is not None
        assert ruling.fingerprint is not None
        if not ruling.mount.learner.take_recheck(ruling.knowledge, ruling.fingerprint, deny, self._moment()):
            return False
        ruling.prediction = Indeterminate(deny.operation, RECHECK)
        ruling.decision, ruling.evidence = Decision.INDETERMINATE, NO_EVIDENCE
        return True

    def _recheck_at(self, ruling: Ruling, deny: Deny) -> float:
        """Return the wall time of the next such request, 0 where there will be none."""
        if ruling.knowledge is None or ruling.effective_method not in _RECHECKED:
            return 0.0
        records = ruling.knowledge.changeable_lacks(frozenset(deny.missing[0]), deny.resources)
        if not records:
            return 0.0
        return ruling.started_at + max(0.0, max(record.recheck for record in records) - self._moment().now)

    def _refuse_or_shadow(self, ruling: Ruling, verdict: Verdict, forwards: bool) -> Ruling:
        if forwards:
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
            return refuse(ruling, errors.INTERNAL)
        ruling.fault, ruling.decision, ruling.reason, ruling.missing = PREDICTION_ERROR, Decision.INDETERMINATE, "", ()
        return ruling

    def _denial(self, ruling: Ruling, verdict: Verdict) -> Denial:
        mount, deny = ruling.mount, ruling.prediction
        assert mount is not None
        assert ruling.target is not None
        if isinstance(verdict, NotAllowed):
            subject = ruling.knowledge.subject if ruling.knowledge is not None else ""
            return Denial(
                verdict.reason,
                ruling.effective_method,
                ruling.target,
                ruling.match,
                (),
                ruling.resources,
                subject,
                verdict.message,
                steps=verdict.steps,
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
