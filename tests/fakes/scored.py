"""Scored exchanges without a proxy: a small catalogue, and exchanges that come to any score."""

from __future__ import annotations

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.evidence.score_rows import FalseDenial
from proxy.evidence.scores import Rules, Scores
from proxy.evidence.scoring import Score
from proxy.grants import NEVER, Knowledge
from proxy.model import Deny, Grants, Indeterminate, OneOf, Operation, Permit, Prediction, ResourceRule, Source
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Exchange, Outcome, Predicted, ResponseKind

START = 1_795_000_000.0
DAY = 86_400.0
KNOWN = Knowledge(Grants(complete=True), Source.TOKEN_RESPONSE, START, NEVER)


def rows(needs: str = "read", resource: ResourceRule | None = None) -> tuple[Operation, ...]:
    return (
        Operation("v", "list", "GET", "/things", OneOf(((needs,),)), resource=resource),
        Operation("v", "make", "POST", "/things", OneOf((("write",),))),
        Operation("v", "wipe", "DELETE", "/things", OneOf((("write", "wipe"),))),
    )


def catalog(needs: str = "read") -> Catalog:
    return compile_catalog("v", rows(needs))


class Book:
    """A ledger over the small catalogue, and what it told."""

    def __init__(self, needs: str = "read", keep_s: float = 90 * DAY, max_rows: int = 1000) -> None:
        self.told: list[FalseDenial] = []
        self.scores = Scores(self.told.append, keep_s, max_rows)
        self.adopt(needs)

    def adopt(self, needs: str) -> list[FalseDenial]:
        self.catalog = catalog(needs)
        return self.scores.adopt({"v": Rules(self.catalog, {}), "w": Rules(catalog(needs), {})})

    def exchange(self, score: Score, operation: str = "list", client: str = "app", at: float = START, mode: str = "shadow") -> Exchange:
        row = next(row for row in self.catalog.operations if row.id == operation)
        prediction, actual = _sides(score, row)
        return made(row, prediction, actual, client, at, mode)

    def count(self, score: Score, times: int = 1, operation: str = "list", client: str = "app", at: float = START) -> None:
        for _ in range(times):
            self.scores.record(self.exchange(score, operation, client, at))


def _sides(score: Score, row: Operation) -> tuple[Prediction, Actual]:
    deny, permit = Deny(row, row.alternatives()), Permit(row)
    sides: dict[Score, tuple[Prediction, Actual]] = {
        Score.CORRECT_DENIAL: (deny, Actual.REFUSED_PERMISSION),
        Score.FALSE_DENIAL: (deny, Actual.ACCEPTED),
        Score.CORRECT_PERMIT: (permit, Actual.ACCEPTED),
        Score.MISSED_DENIAL: (permit, Actual.REFUSED_PERMISSION),
        Score.UNFORESEEN: (Indeterminate(row, ""), Actual.REFUSED_PERMISSION),
        Score.NOT_COMPARABLE: (deny, Actual.REFUSED_OTHER),
        Score.NOT_SCORED: (deny, Actual.NOT_SENT),
    }
    return sides[score]


_ANSWERS = {
    Actual.ACCEPTED: (200, ResponseKind.OK),
    Actual.REFUSED_PERMISSION: (403, ResponseKind.PERMISSION),
    Actual.REFUSED_OTHER: (429, ResponseKind.RATE_LIMIT),
    Actual.NOT_SENT: (403, ResponseKind.NONE),
}


def made(row: Operation, prediction: Prediction, actual: Actual, client: str, at: float, mode: str) -> Exchange:
    status, kind = _ANSWERS[actual]
    denied = isinstance(prediction, Deny)
    return Exchange(
        decision_id=f"ID-{at:.0f}",
        request_id="R",
        started_at=at,
        vendor="v",
        client=client,
        mode=mode,
        method=row.method,
        operation=row.id,
        route=row.route,
        path=row.route,
        decision=Decision.WOULD_DENY if denied else Decision.PERMIT,
        predicted=Predicted.DENY if denied else Predicted.PERMIT,
        outcome=Outcome.WOULD_DENY if denied else Outcome.FORWARDED,
        reason="",
        missing=prediction.missing if isinstance(prediction, Deny) else (),
        evidence="token_response",
        fingerprint="f" * 32,
        cache=CacheResult.HIT,
        status=status,
        answered_by="proxy" if actual is Actual.NOT_SENT else "vendor",
        actual=actual,
        response_kind=kind,
        fault="",
        request_bytes=0,
        response_bytes=0,
        duration=0.0,
        vendor_duration=0.0,
        row=row,
        knowledge=KNOWN,
        prediction=prediction,
    )
