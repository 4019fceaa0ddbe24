"""Reports as JSON members: what the admin API answers and every writer reads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from proxy.analysis.least_privilege import Smallest
from proxy.decision.asking import requirement_json
from proxy.evidence.usage_rows import DAY_S, Right, UsageRow
from proxy.reports.caveats import caveats
from proxy.reports.grouping import Group, Question, VendorFacts, day_of, grouped
from proxy.reports.privileges import UNNAMED, Call, Privileges, is_unknown
from proxy.vendors.resources import bare_resource

MAX_SETS: Final = 20
"""Smallest sets that a report spells out."""
Document = dict[str, Any]
MakeDocument = Callable[[Iterable[UsageRow], Mapping[str, VendorFacts], Question, float], Document]


def usage_document(rows: Iterable[UsageRow], vendors: Mapping[str, VendorFacts], question: Question, now: float) -> Document:
    """Return what was used with success, by app and operation. `now` is a wall time in seconds."""
    return _document("usage", _usage_group, rows, vendors, question, now)


def least_privilege_document(rows: Iterable[UsageRow], vendors: Mapping[str, VendorFacts], question: Question, now: float) -> Document:
    """Return granted against used: the smallest scope sets, what is unused, what is unexplained, and what was not observed."""
    return _document("least-privilege", _privilege_group, rows, vendors, question, now)


DOCUMENTS: Final[Mapping[str, MakeDocument]] = {"usage": usage_document, "least-privilege": least_privilege_document}


def has_unused(document: Mapping[str, Any]) -> bool:
    """Say whether anything granted is unused, for `--fail-on-unused`."""
    return any(group["unused"] for group in document["groups"])


def _document(
    name: str,
    write: Callable[[Privileges, Question, float], Document],
    rows: Iterable[UsageRow],
    vendors: Mapping[str, VendorFacts],
    question: Question,
    now: float,
) -> Document:
    groups = grouped(rows, vendors, question)
    return {
        "report": name,
        "generated_at": moment(now),
        "since": moment(question.since) if question.since else None,
        "by": "subject" if question.by_subject else "client",
        "min_days": question.min_days,
        "groups": [write(Privileges(group), question, now) for group in groups],
    }


def moment(at: float) -> str:
    """Return a wall time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(right: Right) -> str:
    """Return a right as text: its scope, and after @ the resource it is bound to."""
    scope, resource = right
    if not resource:
        return scope
    return f"{scope}@{resource if resource == UNNAMED else bare_resource(resource) or resource}"


def names(rights: Iterable[Right]) -> list[str]:
    """Return rights as texts, sorted."""
    return sorted(name_of(right) for right in rights)


# --- what every group has ---------------------------------------------------------------------------------


def _head(group: Group, now: float) -> Document:
    successes, first_day = group.successes, day_of(group.observed_from)
    return {
        "vendor": group.key.vendor,
        "client": group.key.client,
        "subject": group.key.subject,
        "window": {
            "from": moment(group.observed_from),
            "to": moment(now),
            "days": round((now - group.observed_from) / DAY_S, 1),
            "active_days": len([day for day in group.active_days() if day >= first_day]),
        },
        "calls": sum(row.count for row in successes),
        "first_use": moment(min(row.first for row in successes)) if successes else None,
        "last_use": moment(max(row.last for row in successes)) if successes else None,
    }


def _counted(rows: Sequence[UsageRow]) -> Document:
    return {
        "count": sum(row.count for row in rows),
        "first": moment(min(row.first for row in rows)),
        "last": moment(max(row.last for row in rows)),
        "active_days": len({day for row in rows for day in row.active_days()}),
    }


def _operations(privileges: Privileges) -> list[Document]:
    served, found = dict[int, set[Right]](), list[Document]()
    for call in privileges.calls:
        served.setdefault(id(call.used.operation), set()).update(privileges.served(call))
    operations = {id(used.operation): used.operation for used in privileges.group.used}
    for key, operation in sorted(operations.items(), key=lambda item: item[1].id):
        rows = [used.row for used in privileges.group.used if used.operation is operation]
        found.append(
            {
                "operation": operation.id,
                "method": operation.method,
                "route": operation.route,
                "requires": requirement_json(operation),
                "auth": operation.auth.value,
                "resources": sorted({_resource(name) for row in rows for name in _resources(row)}),
                "scopes": names(served.get(key, set())),
                **_counted(rows),
            }
        )
    return found


def _resources(row: UsageRow) -> tuple[str, ...]:
    return (UNNAMED,) if row.key.resources is None else row.key.resources


def _resource(name: str) -> str:
    return name if name == UNNAMED else bare_resource(name) or name


def _by_name(rows: Iterable[UsageRow]) -> list[Document]:
    found = dict[str, list[UsageRow]]()
    for row in rows:
        found.setdefault(row.key.name, []).append(row)
    return [{"name": name, **_counted(same)} for name, same in sorted(found.items())]


def _unmapped(group: Group) -> Document:
    return {
        "routes": _by_name(group.routes),
        "requirement_unknown": _by_name(used.row for used in group.used if is_unknown(used.operation)),
        "no_longer_in_catalog": _by_name(group.removed),
        "partial_answers": _by_name(group.partial),
    }


def _grants(group: Group) -> list[Document]:
    found = dict[tuple[Any, ...], list[UsageRow]]()
    for row in group.tokens:
        found.setdefault((row.key.granted, row.key.name), []).append(row)
    views = [
        {
            "scopes": names(granted.rights),
            "complete": granted.whole,
            "source": source,
            "subjects": len({row.key.subject for row in rows if row.key.subject}),
            "first_seen": moment(min(row.first for row in rows)),
            "last_seen": moment(max(row.last for row in rows)),
        }
        for (granted, source), rows in found.items()
    ]
    return sorted(views, key=lambda view: (view["first_seen"], view["scopes"]))


# --- usage ------------------------------------------------------------------------------------------------


def _usage_group(privileges: Privileges, question: Question, now: float) -> Document:
    group = privileges.group
    return {
        **_head(group, now),
        "operations": _operations(privileges),
        "scopes": [_scope(privileges, right) for right in sorted(privileges.uses)],
        "granted": _grants(group),
        "unmapped": _unmapped(group),
        "caveats": caveats(privileges, question, now),
    }


def _scope(privileges: Privileges, right: Right) -> Document:
    calls = privileges.uses.get(right, [])
    rows = [call.used.row for call in calls]
    days = {day for row in rows for day in row.active_days()}
    counted = _counted(rows) if rows else {"count": 0, "first": None, "last": None, "active_days": 0}
    return {
        "scope": name_of(right),
        "granted": right in privileges.granted,
        **counted,
        "operations": sorted({call.used.operation.id for call in calls}),
        "days": [datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d") for day in sorted(days)],
    }


# --- least privilege --------------------------------------------------------------------------------------


def _privilege_group(privileges: Privileges, question: Question, now: float) -> Document:
    group = privileges.group
    return {
        **_head(group, now),
        "granted": names(privileges.granted),
        "granted_sets": _grants(group),
        "smallest": _smallest(privileges.smallest),
        "recommended": names(privileges.recommended),
        "smallest_within_granted": _within_granted(privileges),
        "smallest_to_the_letter": _to_the_letter(privileges),
        "implications": [{"scope": name_of(holder), "includes": name_of(right)} for holder, right in privileges.relied_on()],
        "unused": names(privileges.unused),
        "dispensable": names(right for right in privileges.granted if privileges.status(right) == "dispensable"),
        "missing": names(privileges.recommended - privileges.granted),
        "never_seen_granted": [_unexplained(call) for call in privileges.unexplained],
        "scopes": [{**_scope(privileges, right), "status": privileges.status(right)} for right in sorted(_mentioned(privileges))],
        "operations": _operations(privileges),
        "unmapped": _unmapped(group),
        "caveats": caveats(privileges, question, now),
    }


def _mentioned(privileges: Privileges) -> set[Right]:
    """Return every right that a report has something to say about."""
    options = (option for choice in privileges.smallest.choices for option in choice[:MAX_SETS])
    return set(privileges.recommended.union(privileges.granted, privileges.uses, *options))


def _smallest(smallest: Smallest) -> Document:
    return {
        "size": smallest.size,
        "count": smallest.count,
        "always": names(smallest.always),
        "one_of_each": [[names(option) for option in choice] for choice in smallest.choices],
        "sets": [names(each) for each in islice(smallest.sets(), MAX_SETS)],
        "proven": smallest.proven,
        "all_listed": smallest.listed,
    }


def _within_granted(privileges: Privileges) -> Document | None:
    """Return the smallest sets of granted rights, where they differ from the smallest ones of all."""
    found = privileges.smallest_granted
    if found.impossible or set(islice(found.sets(), MAX_SETS)) == set(islice(privileges.smallest.sets(), MAX_SETS)):
        return None
    return _smallest(found)


def _to_the_letter(privileges: Privileges) -> Document | None:
    """Return the smallest sets without implications, where implications made a difference."""
    return _smallest(privileges.smallest_to_the_letter) if any(privileges.relied_on()) else None


def _unexplained(call: Call) -> Document:
    operation = call.used.operation
    return {
        "operation": operation.id,
        "needs": sorted(names(need) for need in call.needs),
        "grants_known": call.granted is not None,
        **_counted([call.used.row]),
    }
