"""Lines of a decision log → decisions that can be made again. Pure; the lines are not trusted.

Source: docs/reference/decision-log.md. A line that is not understood is counted, never guessed at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from proxy.grants import NEVER, Knowledge, LackRecord
from proxy.model import NO_RESOURCES, NOTHING_KNOWN, Grants, Lack, Named, Resources, Source, Unbounded
from proxy.telemetry.exchange import Decision

MAX_SETS: Final = 100_000
"""Sets of grants remembered while a log is read; beyond it the oldest is forgotten."""
MAX_LINE: Final = 1_048_576


class Skipped(StrEnum):
    """Why a line is no decision to be made again."""

    GRANTS = "grants"
    OTHER_LINE = "other_line"
    UNREADABLE = "unreadable"
    NOT_DECIDED = "not_decided"
    GRANTS_NOT_TOLD = "grants_not_told"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision as it was made. `path` is "" where only its beginning was logged. `knowledge` is None where nothing was known."""

    decision_id: str
    ts: str
    vendor: str
    client: str
    method: str
    path: str
    operation: str
    decision: Decision
    missing: tuple[tuple[str, ...], ...]
    knowledge: Knowledge | None
    resources: Resources


class Recording:
    """Reads one log, line by line: lines that tell grants are remembered for the decisions that name them."""

    def __init__(self) -> None:
        self._sets: dict[str, Knowledge] = {}

    def read(self, line: str) -> Recorded | Skipped:
        """Return the decision that a line tells, or why there is none."""
        if len(line) > MAX_LINE or not line.lstrip().startswith("{"):
            return Skipped.OTHER_LINE
        try:
            members = json.loads(line)
            return self._read(members) if isinstance(members, dict) else Skipped.OTHER_LINE
        except (ValueError, TypeError, KeyError, RecursionError):
            return Skipped.UNREADABLE

    def _read(self, members: dict[str, Any]) -> Recorded | Skipped:
        event = members.get("event")
        if event == "grants":
            return self._remember(members)
        if event != "decision":
            return Skipped.OTHER_LINE
        if members["outcome"] in {"bad_request", "internal_error"} or members["vendor"] == "none":
            return Skipped.NOT_DECIDED
        name = members.get("grants")
        if name is not None and name not in self._sets:
            return Skipped.GRANTS_NOT_TOLD
        return _recorded(members, None if name is None else self._sets[name])

    def _remember(self, members: dict[str, Any]) -> Skipped:
        knowledge = _knowledge(members)
        if len(self._sets) >= MAX_SETS:
            del self._sets[next(iter(self._sets))]
        self._sets[_text(members["grants"])] = knowledge
        return Skipped.GRANTS


def _knowledge(members: dict[str, Any]) -> Knowledge:
    lacks = tuple(Lack(_text(scope), _names(names)) for scope, names in members["lacking"])
    grants = Grants(
        _names(members["scopes"]),
        frozenset((_text(scope), _text(name)) for scope, name in members["bound"]),
        bool(members["complete"]),
        _names(members["complete_for"]),
        frozenset(lacks),
    )
    return Knowledge(grants, Source(members["source"]), 0.0, NEVER, lacks=tuple(LackRecord(lack, 0.0, NEVER) for lack in lacks))


def _recorded(members: dict[str, Any], knowledge: Knowledge | None) -> Recorded:
    return Recorded(
        _text(members["decision_id"]),
        _text(members["ts"]),
        _text(members["vendor"]),
        _text(members["client"]),
        _text(members["method"]),
        "" if members.get("path_cut") else _text(members["path"]),
        _text(members["operation"]),
        Decision(members["decision"]),
        tuple(tuple(_text(scope) for scope in alternative) for alternative in members["missing"]),
        knowledge,
        _resources(members),
    )


def _resources(members: dict[str, Any]) -> Resources:
    if "resources" not in members:
        return NO_RESOURCES
    return Unbounded() if members["resources"] is None else Named(_names(members["resources"]))


def _names(values: object) -> frozenset[str]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return frozenset(_text(value) for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def grants_of(recorded: Recorded) -> Grants:
    """Return what was known of the token."""
    return NOTHING_KNOWN if recorded.knowledge is None else recorded.knowledge.grants
