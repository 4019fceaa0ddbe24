"""What a report did not observe, and how sure it can be: sentences for people, codes for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import Final

from proxy.evidence.usage_rows import DAY_S
from proxy.reports.grouping import Question
from proxy.reports.privileges import Privileges, is_unknown

ANONYMOUS: Final = "anonymous"
RARE_DAYS: Final = 2
"""Operations seen on fewer days than this are called rare."""
MAX_NAMED: Final = 5
MAX_SOURCE: Final = 200


def caveats(privileges: Privileges, question: Question, now: float) -> list[dict[str, str]]:
    """Return what speaks against trusting a group's report blindly, the gravest first."""
    found = (*_about_time(privileges, question, now), *_about_calls(privileges), *_about_grants(privileges), *_about_search(privileges))
    return [{"code": code, "text": text} for code, text in found]


_Caveats = Iterator[tuple[str, str]]


def _about_time(privileges: Privileges, question: Question, now: float) -> _Caveats:
    group = privileges.group
    days = (now - group.observed_from) / DAY_S
    if days < question.min_days:
        text = f"The window has {days:.1f} of the {question.min_days} days it should have: jobs that run more seldom were not seen."
        yield "short_window", text
    if group.lost_rows:
        text = f"{group.lost_rows} rows of usage were given up for want of room: what seems unused may have been used."
        yield "lost_rows", text
    rare = sorted({call.used.operation.id for call in privileges.calls} - _often_used(privileges))
    if rare:
        yield "rare_operations", f"Seen on one day only, so others like it may come: {_few(rare)}."


def _often_used(privileges: Privileges) -> set[str]:
    days = dict[str, set[int]]()
    for used in privileges.group.used:
        days.setdefault(used.operation.id, set()).update(used.row.active_days())
    return {name for name, found in days.items() if len(found) >= RARE_DAYS}


def _about_calls(privileges: Privileges) -> _Caveats:
    group = privileges.group
    if group.routes or group.removed:
        count = sum(row.count for row in (*group.routes, *group.removed))
        calls = "1 successful call is" if count == 1 else f"{count} successful calls are"
        yield "unmapped_calls", f"{calls} of no operation in the catalogue: what that needs is not in the result."
    unknown = sorted({used.operation.id for used in group.used if is_unknown(used.operation)})
    if unknown:
        yield "unknown_requirements", f"Nobody knows which scopes these operations need: {_few(unknown)}."
    if group.partial:
        names = sorted({row.key.name for row in group.partial})
        yield "partial_answers", f"Answers with status 207 are not counted, because parts of them may have failed: {_few(names)}."
    if not group.successes:
        yield "no_success", "No call of this app succeeded, so everything it is granted counts as unused."


def _about_grants(privileges: Privileges) -> _Caveats:
    group = privileges.group
    if not group.tokens:
        yield "grants_unknown", "No token whose scopes are known was seen: what is granted, and so what is unused, cannot be told."
    elif any(call.granted is None for call in privileges.calls):
        yield "grants_incomplete", "Some calls had tokens whose scopes are not known: more may be granted than is listed."
    if any(row.key.granted is not None and not row.key.granted.whole for row in group.tokens):
        yield "grants_partial", "What is granted is known for some resources only; others are not compared."
    if len({row.key.granted for row in group.tokens}) > 1:
        yield "grants_differ", "Tokens had different scopes; everything that any of them had counts as granted."
    if group.key.client == ANONYMOUS:
        yield "anonymous", "Callers without a key count as one app. Give apps keys to tell them apart."


def _about_search(privileges: Privileges) -> _Caveats:
    if not privileges.smallest.proven:
        yield "not_proven", "The search was cut short: the sets carry the traffic, but smaller ones may exist."
    elif not privileges.smallest.listed:
        yield "not_all_listed", "There are more smallest sets than are listed."
    if any(privileges.relied_on()):
        source = shorten(privileges.group.facts.catalog.source or "no source", MAX_SOURCE, placeholder=" …")
        yield "implied_scopes", f"Some scopes are taken to include others, as the catalogue says. Its source: {source}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
