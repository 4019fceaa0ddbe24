"""The report on readiness, for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.reports.outline import Chapter, Facts, Outline, Part, listed, minute, notes, table
from proxy.reports.writing import as_csv

Members = Mapping[str, Any]

WORDS: Final = {"ready": "ready", "not_ready": "NOT READY"}
WHY: Final = {
    "false_denial": "a false denial",
    "back_in_shadow": "back in shadow",
    "too_few_calls": "too few scored calls",
    "operations_not_ready": "operations are not ready",
    "no_calls": "no calls",
}
_HEAD: Final = (
    "operation", "client", "verdict", "scored", "right denials", "right permits", "false denials", "missed", "not comparable",
    "false below", "last call",
)  # fmt: skip
_NUMBERS: Final = range(3, 10)
COLUMNS: Final = (
    "vendor", "client", "operation", "verdict", "why", "scored", "correct_denial", "correct_permit", "false_denial", "missed_denial",
    "unforeseen", "not_comparable", "causes", "false_denials_below", "first", "last",
)  # fmt: skip


def readiness_outline(document: Members) -> Outline:
    """Return the report on readiness."""
    minimum, observed = document["min_scored_calls"], document["observed"]
    lead = (
        "Predictions, compared with what the vendors really answered. An operation is ready with at least "
        f"{minimum} scored calls and no false denial; a vendor when every operation with traffic is.",
        f"Made {minute(document['generated_at'])} UTC, observed {minute(observed['since'])} to {minute(observed['until'])}.",
        *_crowded(document["unrecorded_calls"]),
    )
    chapters = tuple(_chapter(vendor, document) for vendor in document["vendors"])
    return Outline("Readiness", lead, chapters, "Nothing was scored that fits the question: NOT READY.")


def _crowded(calls: int) -> tuple[str, ...]:
    return (f"{calls} calls are missing here, because there were too many rows.",) if calls else ()


def _chapter(vendor: Members, document: Members) -> Chapter:
    name = vendor["vendor"]
    mine = [row for row in document["operations"] if row["vendor"] == name]
    clients = [row for row in document["clients"] if row["vendor"] == name]
    shadowed = [found for found in document["back_in_shadow"] if found["vendor"] == name]
    parts: tuple[Part, ...] = (
        Facts(_facts(vendor)),
        *notes("Not ready", [f"{one['operation']}: {whys(one)}" for one in vendor["not_ready"]]),
        *table(
            "Back in shadow", ("operation", "since", "client", "evidence", "said to lack", "decision"), [_shadow(row) for row in shadowed]
        ),
        *notes("What to do", _advice(name, shadowed)),
        *table("Clients", ("client", "verdict", "scored", "operations", "ready"), [_client(row) for row in clients], 2, 3, 4),
        *table("Operations", _HEAD, [_operation(row) for row in mine], *_NUMBERS),
    )
    return Chapter(f"{name}: {WORDS[vendor['verdict']]}", parts, {})


def _facts(vendor: Members) -> tuple[tuple[str, str], ...]:
    causes = listed([f"{count} {cause.replace('_', ' ')}" for cause, count in vendor["causes"].items() if cause != "presumed"], "")
    return (
        ("verdict", WORDS[vendor["verdict"]] + (f" ({whys(vendor)})" if vendor["why"] else "")),
        ("operations", f"{vendor['operations_ready']} of {vendor['operations_with_traffic']} with traffic are ready"),
        ("scored calls", str(vendor["scored"])),
        ("correct", f"{vendor['correct_denial']} denials, {vendor['correct_permit']} permits"),
        ("false denials", str(vendor["false_denial"])),
        ("missed denials", str(vendor["missed_denial"])),
        ("unforeseen", f"{vendor['unforeseen']} refusals where nothing was predicted"),
        ("not comparable", f"{vendor['not_comparable']}{f' ({causes})' if causes else ''}"),
        ("false denials are", _bound(vendor, "below {} of such calls, with 95 % confidence", "proven")),
    )


def whys(row: Members) -> str:
    """Return why something is not ready, for people."""
    return listed([WHY.get(why, why) for why in row["why"]], "-")


def _bound(row: Members, text: str, proven: str) -> str:
    bound = row["false_denials_below"]
    if bound is not None:
        return text.format(f"{bound:.2%}")
    return proven if row["false_denial"] else "not known"


def _shadow(found: Members) -> tuple[str, ...]:
    missing = " or ".join(" and ".join(alternative) for alternative in found["missing"])
    return found["operation"], minute(found["at"]), found["client"], found["evidence"], missing, found["decision_id"]


def _advice(vendor: str, shadowed: list[Members]) -> list[str]:
    if not shadowed:
        return []
    one = shadowed[0]["operation"]
    return [
        "The vendor accepted what was predicted to fail, so denials of these operations are forwarded for every client.",
        "Correct their rows in the catalogue: that ends it at the next start, and scores begin anew.",
        f"Where the catalogue is right and the cause is another one: DELETE /api/v1/readiness/{vendor}/{one} at the admin listener.",
    ]


def _client(row: Members) -> tuple[str, ...]:
    return row["client"], WORDS[row["verdict"]], str(row["scored"]), str(row["operations_with_traffic"]), str(row["operations_ready"])


def _operation(row: Members) -> tuple[str, ...]:
    numbers = (row[name] for name in ("scored", "correct_denial", "correct_permit", "false_denial", "missed_denial", "not_comparable"))
    return row["operation"], row["client"], WORDS[row["verdict"]], *map(str, numbers), _bound(row, "{}", "-"), minute(row["last"])


def readiness_csv(document: Members) -> str:
    """Return the report on readiness: one line per vendor, client and operation."""
    return as_csv(COLUMNS, ([_cell(row[column]) for column in COLUMNS] for row in document["operations"]))


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={count}" for name, count in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else value


def is_not_ready(document: Members) -> bool:
    """Say whether a pipeline should stop here."""
    return bool(document["verdict"] != "ready")
