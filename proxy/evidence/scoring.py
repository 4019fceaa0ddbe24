"""One exchange → how good the prediction was: `score`. The truth table is in docs/reference/readiness.md. Pure.

Prediction is compared with what the vendor really answered, and with nothing else: what policy or the mode made of the request
does not matter. Where the answer proves neither side, it is not comparable; a score is never guessed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from proxy.grants import Knowledge
from proxy.model import AnyToken, Auth, Deny, Indeterminate, Operation, Permit
from proxy.prediction import WHOLE_RESOURCE
from proxy.telemetry.exchange import Actual, Exchange, ResponseKind

RECHECK: Final = "it is time to find out whether the account was corrected"
"""Why a denial of a changeable right became indeterminate: a real request asks for news, so its answer scores nothing."""


class Score(StrEnum):
    """What comparing a prediction with the vendor's answer came to; NOT_SCORED where there is nothing to compare."""

    CORRECT_DENIAL = "correct_denial"
    CORRECT_PERMIT = "correct_permit"
    FALSE_DENIAL = "false_denial"
    MISSED_DENIAL = "missed_denial"
    UNFORESEEN = "unforeseen"
    NOT_COMPARABLE = "not_comparable"
    NOT_SCORED = "not_scored"


class Cause(StrEnum):
    """Why a call is not comparable, or what a missed denial rested on; NONE otherwise."""

    NONE = "none"
    PRESUMED = "presumed"
    OVERTAKEN = "overtaken"
    ACCOUNT_CORRECTED = "account_corrected"
    OTHER_SCOPE = "other_scope"
    OTHER_PERMISSION = "other_permission"
    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    OTHER_REFUSAL = "other_refusal"
    REDIRECT = "redirect"
    PARTIAL = "partial"
    SERVER_ERROR = "server_error"
    BROKEN_OFF = "broken_off"


class Scored(NamedTuple):
    """A score and its cause."""

    score: Score
    cause: Cause = Cause.NONE


SCORES: Final = tuple(score for score in Score if score is not Score.NOT_SCORED)
CAUSES: Final = tuple(cause for cause in Cause if cause is not Cause.NONE)
NOT_SCORED: Final = Scored(Score.NOT_SCORED)
_CORRECT_PERMIT: Final = Scored(Score.CORRECT_PERMIT)
_CORRECT_DENIAL: Final = Scored(Score.CORRECT_DENIAL)
_UNFORESEEN: Final = Scored(Score.UNFORESEEN)

# reading a member off its class is slow in Python 3.11, and so is making a union for each look
_NOT_SENT: Final = Actual.NOT_SENT
_REFUSED_PERMISSION: Final = Actual.REFUSED_PERMISSION
_OK: Final = ResponseKind.OK
_BEARER: Final = Auth.BEARER
_JUDGED: Final = (Permit, Deny, Indeterminate)
_BY_KIND: Final = {
    ResponseKind.PERMISSION: Cause.OTHER_PERMISSION,
    ResponseKind.AUTH: Cause.AUTH,
    ResponseKind.RATE_LIMIT: Cause.RATE_LIMIT,
    ResponseKind.OTHER_4XX: Cause.OTHER_REFUSAL,
    ResponseKind.SERVER_ERROR: Cause.SERVER_ERROR,
    ResponseKind.TRANSPORT: Cause.BROKEN_OFF,
}


class _Answer(StrEnum):
    """What the vendor's answer says about permission, as far as it says anything."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


_ACCEPTED: Final = _Answer.ACCEPTED
_REFUSED: Final = _Answer.REFUSED


def score(exchange: Exchange) -> Scored:
    """Score the prediction of one exchange by the vendor's answer."""
    prediction = exchange.prediction
    if exchange.actual is _NOT_SENT or not isinstance(prediction, _JUDGED):
        return NOT_SCORED
    if not is_deniable(prediction.operation):
        return NOT_SCORED
    answer = _read(exchange)
    if isinstance(prediction, Indeterminate):
        return _UNFORESEEN if answer is _REFUSED and prediction.why != RECHECK else NOT_SCORED
    if isinstance(answer, Cause):
        return Scored(Score.NOT_COMPARABLE, answer)
    if isinstance(prediction, Deny):
        return _accepted_denial(exchange, prediction) if answer is _ACCEPTED else _refused_denial(exchange, prediction)
    if answer is _ACCEPTED:
        return _CORRECT_PERMIT
    return Scored(Score.MISSED_DENIAL, Cause.PRESUMED if prediction.presumed else Cause.NONE)


def is_deniable(operation: Operation) -> bool:
    """Say whether any prediction can deny this operation; where none can, calls of it say nothing about denials."""
    return operation.auth is _BEARER and not isinstance(operation.requirement, AnyToken)


def _read(exchange: Exchange) -> _Answer | Cause:
    """Say what the answer proves; a cause where it proves nothing. Only a whole 2xx is an acceptance, as for learning."""
    if exchange.fault or exchange.answered_by != "vendor":
        return Cause.BROKEN_OFF
    if exchange.actual is _REFUSED_PERMISSION:
        return _REFUSED
    if exchange.response_kind is not _OK:
        return _BY_KIND.get(exchange.response_kind, Cause.BROKEN_OFF)
    if exchange.status == 207:
        return Cause.PARTIAL
    return _ACCEPTED if 200 <= exchange.status < 300 else Cause.REDIRECT


def _accepted_denial(exchange: Exchange, deny: Deny) -> Scored:
    """A denial that the vendor contradicts: false, unless the world changed after the knowledge was gained."""
    if exchange.overtaken:
        return Scored(Score.NOT_COMPARABLE, Cause.OVERTAKEN)
    if exchange.knowledge is not None and _may_have_been_corrected(exchange.knowledge, deny):
        return Scored(Score.NOT_COMPARABLE, Cause.ACCOUNT_CORRECTED)
    return Scored(Score.FALSE_DENIAL)


def _may_have_been_corrected(knowledge: Knowledge, deny: Deny) -> bool:
    """Say whether an administrator can have opened one alternative: all it lacked had been proven lacking, and can be granted."""
    return any(all(knowledge.changeable_lacks(frozenset({scope}), deny.resources) for scope in alternative) for alternative in deny.missing)


def _refused_denial(exchange: Exchange, deny: Deny) -> Scored:
    """A denial that the vendor confirms, unless it names a scope that was not predicted to be lacking: then the row is in doubt."""
    missing = {scope for alternative in deny.missing for scope in alternative}
    named = exchange.refused_for
    if not named or named == WHOLE_RESOURCE or named in missing or deny.operation.stand_in_scope in missing:
        return _CORRECT_DENIAL
    return Scored(Score.NOT_COMPARABLE, Cause.OTHER_SCOPE)
