"""What the audit log says about itself, as OCSF 1.8 events of class Event Log Activity (1008). Pure.

A query for class 6003 therefore finds decisions and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from proxy.telemetry.ocsf import LOG_NAME, OCSF_VERSION, PRODUCT

CLASS_UID: Final = 1008
MARK: Final = b'{"class_uid":1008,'
"""How every record begins, and no decision does."""


class Kind(StrEnum):
    """What a record tells."""

    OPENED = "opened"
    STARTED = "started"
    STOPPED = "stopped"
    ROTATED = "rotated"
    GAP = "gap"
    DELETED = "deleted"


_OTHER: Final = (99, "Other")
_ACTIVITIES: Final = {
    Kind.OPENED: (9, "Enable"),
    Kind.STARTED: (6, "Start"),
    Kind.STOPPED: (7, "Stop"),
    Kind.ROTATED: (5, "Rotate"),
    Kind.GAP: _OTHER,
    Kind.DELETED: (2, "Delete"),
}
_INFORMATIONAL: Final = (1, "Informational")
_HIGH: Final = (4, "High")


def record(kind: Kind, at: float, message: str, details: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> bytes:
    """Return a record, without a newline. `at`: seconds since the epoch; `base`: further members that OCSF knows."""
    activity, severity = _ACTIVITIES[kind], _HIGH if kind is Kind.GAP else _INFORMATIONAL
    event: dict[str, Any] = {
        "class_uid": CLASS_UID,
        "class_name": "Event Log Activity",
        "category_uid": 1,
        "activity_id": activity[0],
        "activity_name": kind.capitalize() if activity is _OTHER else activity[1],
        "type_uid": CLASS_UID * 100 + activity[0],
        "severity_id": severity[0],
        "severity": severity[1],
        "message": message,
        "time": int(at * 1e3),
        "log_name": LOG_NAME,
        "log_type_id": 2,
        "log_type": "Application",
        "metadata": {"version": OCSF_VERSION, "product": PRODUCT, "log_name": LOG_NAME},
        **(base or {}),
        "unmapped": {"record": kind, **details},
    }
    return json.dumps(event, separators=(",", ":")).encode("ascii")


def gap(at: float, missing: int, since: float, until: float) -> bytes:
    """Return the record that `missing` events, of between `since` and `until`, could not be written."""
    span = {"count": missing, "start_time": int(since * 1e3), "end_time": int(until * 1e3)}
    message = f"{missing} events could not be written and are missing here"
    return record(Kind.GAP, at, message, {"missing": missing}, span)


def read(line: bytes) -> dict[str, Any]:
    """Return what a record tells, or nothing where the line is no record."""
    if not line.startswith(MARK):
        return {}
    try:
        told = json.loads(line)["unmapped"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def span(line: bytes) -> tuple[int, int]:
    """Return from when to when the events of a gap record are missing, in milliseconds since the epoch."""
    told = json.loads(line)
    return int(told.get("start_time", 0)), int(told.get("end_time", 0))
