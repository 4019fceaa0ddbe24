"""Which of my routes would break, and what is the smallest extra grant: many questions of one subject, and one answer to all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from aiohttp import web

from proxy.admin.answers import JSON, Problem, json_response
from proxy.admin.authzen import Action, Entity
from proxy.admin.authzen_mapping import ROUTE, target_of
from proxy.admin.backend import AdminBackend, Question, Unanswerable
from proxy.admin.questions import bad_request, question_of, read_object
from proxy.analysis.least_privilege import Demand, Smallest, smallest_sets

MAX_OPERATIONS: Final = 1000
MAX_SETS: Final = 20
"""Smallest sets that are listed."""
_MAX_STEPS: Final = 2000
"""Steps of the search: some tens of milliseconds, because traffic waits meanwhile."""
_PER_TURN: Final = 50
_SHORTFALLS: Final = frozenset({"missing_scope", "missing_licence_or_access_level"})
_NAMED: Final = ("method", "path", "operation", "route", "reason", "missing")

Implied = Mapping[str, frozenset[str]]
_Members = Mapping[str, Any]


class PlanApi:
    """The handler; its route is in `late.py`. `implied_by` returns which scopes of a vendor count as held through another."""

    def __init__(self, backend: AdminBackend, implied_by: Callable[[str], Implied]) -> None:
        self._backend = backend
        self._implied_by = implied_by

    async def plan(self, request: web.Request) -> web.Response:
        """Decide about every operation that is named, and say what would mend those that are denied for want of a right."""
        if request.content_type != JSON:
            raise Problem(415, "not_json", "send the question as application/json")
        vendor, questions = self._read(await request.read())
        answers = list[_Members]()
        for position, question in enumerate(questions):
            if position % _PER_TURN == _PER_TURN - 1:
                await asyncio.sleep(0)
            answers.append(self._answer(position, question))
        return json_response(self._told(vendor, answers))

    def _read(self, body: bytes) -> tuple[str, list[Question]]:
        """Read the body: the members of `explain`, with `operations` instead of one method and path."""
        members = dict(read_object(body))
        operations = members.pop("operations", None)
        if not isinstance(operations, list) or not 0 < len(operations) <= MAX_OPERATIONS:
            raise bad_request("bad_member", f"'operations' must be a list of 1 to {MAX_OPERATIONS} objects with 'method' and 'path'")
        subject = question_of({**members, "method": "GET", "path": "/"}, self._backend.vendors())
        return subject.vendor, [self._question(subject, operation) for operation in operations]

    def _question(self, subject: Question, operation: object) -> Question:
        if not isinstance(operation, dict) or operation.keys() != {"method", "path"}:
            raise bad_request("bad_member", "each of 'operations' must be an object with 'method' and 'path'")
        one = question_of({"vendor": subject.vendor, "method": operation["method"], "path": "/"}, self._backend.vendors())
        path = operation["path"]
        if not isinstance(path, str) or not path:
            raise bad_request("bad_member", "'path' must be the vendor's path, or a route template of its catalogue")
        target = target_of(self._backend.catalog(subject.vendor), Action(one.method), Entity(ROUTE, path))
        if isinstance(target, Unanswerable):
            raise Problem(422, "unanswerable", target.detail)
        return replace(subject, method=one.method, target=target)

    def _answer(self, position: int, question: Question) -> _Members:
        told = self._backend.explain(question)
        if isinstance(told, Unanswerable):
            raise Problem(422, "unanswerable", f"operation {position + 1}: {told.detail}")
        return {**told, "path": question.target.path}

    def _told(self, vendor: str, answers: list[_Members]) -> _Members:
        breaks = [row for row in answers if row["decision"] == "deny"]
        short = [row for row in breaks if row["reason"] in _SHORTFALLS]
        return {
            "vendor": vendor,
            "permitted": sum(row["decision"] == "permit" for row in answers),
            "breaks": [_named(row) for row in breaks],
            "undecided": [_named(row) for row in answers if row["decision"] not in {"deny", "permit"}],
            "smallest_extra_grant": _extra(smallest_extra(short, self._implied_by(vendor))),
            "not_mended_by_grants": len(breaks) - len(short),
        }


def smallest_extra(short: Iterable[_Members], implied_by: Implied) -> Smallest:
    """Return the smallest sets of scopes that must be granted besides, so that none of these denials is left."""
    names = {(scope, ""): frozenset((other, "") for other in others) for scope, others in implied_by.items()}
    return smallest_sets([_demand(row) for row in short], names, max_nodes=_MAX_STEPS)


def _demand(row: _Members) -> Demand:
    return frozenset(frozenset((scope, "") for scope in alternative) for alternative in row["missing"])


def _extra(smallest: Smallest) -> _Members:
    sets = [sorted(scope for scope, _ in names) for names in islice(smallest.sets(), MAX_SETS)]
    return {"sets": sets, "count": smallest.count, "proven": smallest.proven}


def _named(row: _Members) -> _Members:
    return {name: row[name] for name in _NAMED if row.get(name) not in (None, [])}
