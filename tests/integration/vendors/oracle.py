"""What the vendors' documentation says each operation needs, read from `tests/tables` and from nothing else."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TABLES: Final = Path(__file__).parents[2] / "tables"
ALIASES: Final = {"Glip": "TeamMessaging", "Meetings": "Video", "TelephonySessions": "CallControl"}
Row = dict[str, str]


@cache
def table(name: str) -> tuple[Row, ...]:
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


@dataclass(frozen=True)
class Documented:
    """One operation. `needs` are alternatives; None: not documented, or the body decides. `partial` scopes open only part of it."""

    method: str
    template: str
    needs: tuple[frozenset[str], ...] | None
    partial: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """A path that an app could send."""
        return re.sub(r"\{[^}]*\}", "1000001", self.template)

    def verdict(self, held: frozenset[str]) -> str:
        """What is certain about a token that holds exactly these scopes."""
        if self.needs is None:
            return "indeterminate"
        opening = [needed for needed in self.needs if needed <= held]
        if not self.needs or any(not needed & self.partial for needed in opening):
            return "permit"
        return "indeterminate" if opening else "deny"


def _needs(cell: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(part.split(" + ")) for part in cell.split(" | ")) if cell else ()


# --- RingCentral


@cache
def ringcentral() -> tuple[Documented, ...]:
    call_log = {(row["method"], row["path"]): row["requires"] for row in table("ringcentral-call-log")}
    rows = []
    for row in table("ringcentral-operations"):
        key = row["method"], row["path"]
        body_decides = row["operation_id"].endswith(
            ("createSubscription", "updateSubscription", "CreateSubscription", "UpdateSubscription")
        )
        rows.append(Documented(*key, None if body_decides else _needs(call_log.get(key, row["requires"]))))
    return tuple(rows)


@cache
def ringcentral_scopes() -> tuple[str, ...]:
    return tuple(row["permission"] for row in table("ringcentral-permissions"))


def canonical(scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(ALIASES.get(scope, scope) for scope in scopes)


def with_included(scopes: frozenset[str]) -> frozenset[str]:
    """Everything that RingCentral's permissions include, however deep."""
    includes = {row["permission"]: frozenset(row["includes"].split(" + ")) - {""} for row in table("ringcentral-permissions")}
    held = canonical(scopes)
    while (more := held.union(*(includes.get(scope, frozenset()) for scope in held))) != held:
        held = more
    return held


# --- 8x8


@cache
def eightbyeight() -> tuple[Documented, ...]:
    """What a token that lists API products needs; Analytics for Work needs none of them, and what else is not told."""
    return tuple(Documented(row["method"], row["path"], _eightbyeight_needs(row)) for row in table("8x8-operations"))


def _eightbyeight_needs(row: Row) -> tuple[frozenset[str], ...] | None:
    if row["path"].endswith("/token") or row["operation_id"] == "getjwkpublickey":
        return ()
    return (frozenset({row["product"]}),) if row["auth"] == "bearer" else None


def eightbyeight_call_details(query: str) -> tuple[Documented, ...]:
    """The operations that need the category CDR on the PBX that `query` names."""
    return tuple(Documented(row["method"], row["path"] + query, None) for row in table("8x8-operations") if row["category"])


# --- NewVoiceMedia


@cache
def newvoicemedia() -> tuple[Documented, ...]:
    return tuple(
        Documented(row["method"], row["path"], None if row["requires"] == "?" else _needs(row["requires"]), _own_records(row))
        for row in table("newvoicemedia-operations")
    )


def _own_records(row: Row) -> frozenset[str]:
    """`self:` scopes open one's own records only, except where the endpoint's page says that they open all of it."""
    if row["path"].endswith("/accessPermissions"):
        return frozenset()
    return frozenset({"self:read", "self:write"})


@cache
def newvoicemedia_scopes() -> tuple[str, ...]:
    named = {scope for row in newvoicemedia() for needed in row.needs or () for scope in needed}
    return tuple(sorted(named))
