"""From scores to verdicts: is it safe to enforce? `readiness_report` is what the command line and the admin API show. Pure.

Ready means: enough scored calls, and no false denial. Enough is a setting; what it is worth is told beside it. Without a false
denial in n scored calls, the share of calls that would be denied falsely is below 1 - 0.05^(1/n) at 95 % confidence: the exact
form of the rule of three (3/n; Hanley and Lippman-Hand, JAMA 1983).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

from proxy.decision.explain import timestamp
from proxy.evidence.score_rows import FalseDenial, Row
from proxy.evidence.scoring import CAUSES, SCORES, Score

CONFIDENCE: Final = 0.95
MIN_SCORED_CALLS: Final = 30
"""Below one in ten calls denied falsely, at 95 % confidence. Faults of a catalogue repeat, so few calls show them."""

_SCORED: Final = (Score.CORRECT_DENIAL, Score.CORRECT_PERMIT, Score.FALSE_DENIAL, Score.MISSED_DENIAL)
"""What counts towards the minimum: both sides are known."""


class Why(StrEnum):
    """Why something is not ready."""

    FALSE_DENIAL = "false_denial"
    IN_SHADOW = "back_in_shadow"
    TOO_FEW_CALLS = "too_few_calls"
    OPERATIONS = "operations_not_ready"
    NO_CALLS = "no_calls"


class Wanted(NamedTuple):
    """Which part of the report; "" is all."""

    vendor: str = ""
    client: str = ""


class Window(NamedTuple):
    """What a verdict is given by: the present moment (seconds since the epoch), the minimum, and how many calls found no room."""

    now: float
    min_scored_calls: int = MIN_SCORED_CALLS
    unrecorded: int = 0


EVERYTHING: Final = Wanted()


@dataclass(frozen=True, slots=True)
class Tally:
    """Scores added up over some rows. Times are seconds since the epoch; `first` is 0 where nothing was scored."""

    counts: tuple[int, ...]
    causes: tuple[int, ...]
    first: float
    last: float
    false_denial: FalseDenial | None

    def __getitem__(self, score: Score) -> int:
        return self.counts[SCORES.index(score)]

    @property
    def scored(self) -> int:
        """How many calls were compared on both sides."""
        return sum(self[score] for score in _SCORED)


def added_up(rows: Iterable[Row]) -> Tally:
    """Return what some rows come to together; the order does not matter."""
    rows = list(rows)
    counts = tuple(map(sum, zip(*(row.counts for row in rows), strict=True))) if rows else (0,) * len(SCORES)
    causes = tuple(map(sum, zip(*(row.causes for row in rows), strict=True))) if rows else (0,) * len(CAUSES)
    false = max((row.false_denial for row in rows if row.false_denial is not None), key=lambda found: found.at, default=None)
    return Tally(counts, causes, min((row.first for row in rows), default=0.0), max((row.last for row in rows), default=0.0), false)


def false_denial_bound(scored: int) -> float:
    """Return below which share of calls false denials are, at 95 % confidence, after `scored` calls without one (0 to 1)."""
    return 1.0 - (1.0 - CONFIDENCE) ** (1.0 / scored) if scored else 1.0


def shortcomings(tally: Tally, min_scored_calls: int, *, demoted: bool) -> list[Why]:
    """Return why an operation is not ready; nothing where it is."""
    found = [Why.FALSE_DENIAL] if tally[Score.FALSE_DENIAL] else []
    found += [Why.IN_SHADOW] if demoted else []
    return found + ([Why.TOO_FEW_CALLS] if tally.scored < min_scored_calls else [])


# --- the report -----------------------------------------------------------------------------------------


def readiness_report(
    rows: Iterable[Row], demotions: Iterable[FalseDenial], window: Window, wanted: Wanted = EVERYTHING
) -> dict[str, object]:
    """Return verdicts by vendor, by client, and by operation and client, as JSON members."""
    found = sorted((row for row in rows if _is_wanted(row, wanted)), key=lambda row: row.key)
    shadowed = sorted(each for each in demotions if wanted.vendor in ("", each.vendor))
    demoted = {(each.vendor, each.operation) for each in shadowed}
    whole = added_up(found)
    vendors = _groups(found, lambda row: (row.key.vendor,), demoted, window)
    missing = {each.vendor for each in shadowed} - {row.key.vendor for row in found}
    vendors += [_summary((vendor,), [], demoted, window) for vendor in sorted(missing)]
    return {
        "report": "readiness",
        "generated_at": timestamp(window.now),
        "observed": {"since": _time(whole.first), "until": _time(whole.last)},
        "min_scored_calls": window.min_scored_calls,
        "confidence": CONFIDENCE,
        "verdict": _word(not vendors or any(vendor["why"] for vendor in vendors)),
        "vendors": vendors,
        "clients": _groups(found, lambda row: (row.key.vendor, row.key.client), demoted, window),
        "operations": [_operation(row, demoted, window) for row in found],
        "back_in_shadow": [false_denial_members(each) for each in shadowed],
        "unrecorded_calls": window.unrecorded,
    }


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    return wanted.vendor in ("", row.key.vendor) and wanted.client in ("", row.key.client)


_Demoted = set[tuple[str, str]]


def _groups(rows: list[Row], key: Callable[[Row], tuple[str, ...]], demoted: _Demoted, window: Window) -> list[dict[str, object]]:
    return [_summary(name, list(group), demoted, window) for name, group in groupby(rows, key)]


def _summary(name: tuple[str, ...], rows: list[Row], demoted: _Demoted, window: Window) -> dict[str, object]:
    """Sum up a vendor, or a client at a vendor: ready when every operation with traffic is."""
    shadowed = {operation for vendor, operation in demoted if vendor == name[0]}
    operations = {row.key.operation for row in rows} | (shadowed if len(name) == 1 else set())
    verdicts = {
        operation: shortcomings(
            added_up(row for row in rows if row.key.operation == operation), window.min_scored_calls, demoted=operation in shadowed
        )
        for operation in sorted(operations)
    }
    not_ready = {operation: why for operation, why in verdicts.items() if why}
    why = [Why.OPERATIONS] if not_ready else [] if verdicts else [Why.NO_CALLS]
    return {
        **dict(zip(("vendor", "client"), name, strict=False)),
        "verdict": _word(why),
        "why": why,
        **_numbers(added_up(rows)),
        "operations_with_traffic": len(verdicts),
        "operations_ready": len(verdicts) - len(not_ready),
        "not_ready": [{"operation": operation, "why": why} for operation, why in not_ready.items()],
    }


def _operation(row: Row, demoted: _Demoted, window: Window) -> dict[str, object]:
    tally, key = added_up([row]), row.key
    why = shortcomings(tally, window.min_scored_calls, demoted=(key.vendor, key.operation) in demoted)
    return {
        "vendor": key.vendor,
        "client": key.client,
        "operation": key.operation,
        "verdict": _word(why),
        "why": why,
        **_numbers(tally),
        "first": timestamp(row.first),
        "last": timestamp(row.last),
        "last_false_denial": None if row.false_denial is None else false_denial_members(row.false_denial),
    }


def _word(why: object) -> str:
    return "not_ready" if why else "ready"


def _numbers(tally: Tally) -> dict[str, object]:
    bound = None if tally[Score.FALSE_DENIAL] or not tally.scored else round(false_denial_bound(tally.scored), 4)
    causes = {str(cause): count for cause, count in zip(CAUSES, tally.causes, strict=True) if count}
    counts = {str(score): count for score, count in zip(SCORES, tally.counts, strict=True)}
    return {"scored": tally.scored, **counts, "causes": causes, "false_denials_below": bound}


def false_denial_members(found: FalseDenial) -> Mapping[str, object]:
    """Return a false denial as JSON members."""
    return {
        "vendor": found.vendor,
        "operation": found.operation,
        "client": found.client,
        "at": timestamp(found.at),
        "decision_id": found.decision_id,
        "mode": found.mode,
        "evidence": found.evidence,
        "missing": [list(alternative) for alternative in found.missing],
        "status": found.status,
    }


def _time(seconds: float) -> str | None:
    return timestamp(seconds) if seconds else None
