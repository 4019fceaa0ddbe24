"""The reports on usage and least privilege, for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from proxy.reports.outline import Chapter, Facts, Outline, Part, listed, minute, notes, table

Members = Mapping[str, Any]

STATUS: Final = {
    "needed": "needed",
    "missing": "needed, not seen granted",
    "choice": "one of several that would do",
    "alternative": "would do, not granted",
    "dispensable": "served, but others suffice",
    "covered": "served, not seen granted",
    "unused": "unused",
}
"""What a status means, in the order in which scopes are listed."""
_ORDER: Final = list(STATUS)
_UNMAPPED: Final = {
    "routes": "not in the catalogue",
    "requirement_unknown": "its scopes are not known",
    "no_longer_in_catalog": "no longer in the catalogue",
    "partial_answers": "answered with 207, not counted",
}


def usage_outline(document: Members) -> Outline:
    """Return the report on usage."""
    lead = "What was used with success, by app. Refused, denied and failed calls are not in it."
    return Outline("Usage", (lead, _about(document)), tuple(_usage_chapter(group) for group in document["groups"]))


def privilege_outline(document: Members) -> Outline:
    """Return the report on least privilege."""
    lead = "What apps are granted, against what their successful calls need. Refused, denied and failed calls do not count as use."
    return Outline("Least privilege", (lead, _about(document)), tuple(_privilege_chapter(group) for group in document["groups"]))


def _about(document: Members) -> str:
    since = f", use since {minute(document['since'])}" if document["since"] else ""
    return f"Made {minute(document['generated_at'])} UTC{since}."


def title_of(group: Members) -> str:
    """Return what a group is called."""
    subject = "" if group["subject"] is None else f" / {group['subject'] or 'unknown subject'}"
    return f"{group['vendor']} / {group['client']}{subject}"


def _window(group: Members) -> tuple[tuple[str, str], ...]:
    window = group["window"]
    span = f"{minute(window['from'])} to {minute(window['to'])} UTC ({window['days']:g} days, successful calls on {window['active_days']})"
    return ("observed", span), ("successful calls", str(group["calls"])), ("last one", minute(group["last_use"]))


# --- usage ------------------------------------------------------------------------------------------------


def _usage_chapter(group: Members) -> Chapter:
    rows = [(*_scope_row(scope)[:1], "yes" if scope["granted"] else "not seen", *_scope_row(scope)[1:]) for scope in group["scopes"]]
    parts: tuple[Part, ...] = (
        Facts(_window(group)),
        *table("Scopes", ("scope", "granted", "calls", "days", "last used", "operations"), rows, 2, 3),
        *_operations(group),
        *_unmapped(group),
        *_caveats(group),
    )
    return Chapter(title_of(group), parts, group)


def _scope_row(scope: Members) -> tuple[str, ...]:
    return scope["scope"], str(scope["count"]), str(scope["active_days"]), minute(scope["last"]), _few(scope["operations"])


def _few(names: Sequence[str], most: int = 4) -> str:
    return listed(names[:most], "-") + (f" and {len(names) - most} more" if len(names) > most else "")


def _operations(group: Members) -> tuple[Part, ...]:
    rows = [
        (
            one["operation"] + (f" ({_few(one['resources'])})" if one["resources"] else ""),
            needs(one["requires"], one["auth"]),
            str(one["count"]),
            str(one["active_days"]),
            minute(one["first"]),
            minute(one["last"]),
        )
        for one in group["operations"]
    ]
    return table("Operations", ("operation", "needs", "calls", "days", "first", "last"), rows, 2, 3)


def needs(requires: object, auth: str) -> str:
    """Return a requirement as a document has it, for people."""
    if auth != "bearer":
        return "no token" if auth == "none" else "the client's own credentials"
    if not isinstance(requires, list):
        return "not known"
    return " or ".join(" and ".join(scopes) for scopes in requires) or "any valid token"


def _unmapped(group: Members) -> tuple[Part, ...]:
    rows = [
        (one["name"] or "(further routes)", text, str(one["count"]), minute(one["last"]))
        for kind, text in _UNMAPPED.items()
        for one in group["unmapped"][kind]
    ]
    return table("Could not be mapped to scopes", ("call", "why", "calls", "last"), rows, 2)


def _caveats(group: Members) -> tuple[Part, ...]:
    return notes("Caveats", [caveat["text"] for caveat in group["caveats"]])


# --- least privilege --------------------------------------------------------------------------------------


def _privilege_chapter(group: Members) -> Chapter:
    parts: tuple[Part, ...] = (
        Facts((*_window(group), *_verdict(group))),
        *_other_sets(group),
        *table("Scopes", ("scope", "status", "calls", "days", "last used", "operations"), _scopes(group), 2, 3),
        *_unexplained(group),
        *_operations(group),
        *_unmapped(group),
        *_caveats(group),
    )
    return Chapter(title_of(group), parts, group)


def _verdict(group: Members) -> tuple[tuple[str, str], ...]:
    facts = [
        ("granted", listed(group["granted"], "nothing known")),
        ("smallest", smallest(group["smallest"])),
        ("granted, unused", listed(group["unused"])),
    ]
    if group["dispensable"]:
        facts.append(("dispensable", f"{listed(group['dispensable'])} (served calls that others of the smallest set carry too)"))
    if group["missing"]:
        facts.append(("not seen granted", listed(group["missing"])))
    return tuple(facts)


def smallest(found: Members) -> str:
    """Return the smallest sets in one sentence."""
    always, choices = found["always"], found["one_of_each"]
    options = [" or ".join(" and ".join(option) or "nothing more" for option in choice) for choice in choices]
    text = listed([*always, *(f"one of ({option})" for option in options)], "no scope at all")
    ties = f"; {found['count']}{'' if found['all_listed'] else ' or more'} smallest sets exist" if found["count"] > 1 else ""
    return text + ties + ("" if found["proven"] else "; not proven to be the smallest")


def _other_sets(group: Members) -> tuple[Part, ...]:
    items = []
    if group["smallest_within_granted"]:
        items.append(f"Of what is granted already, the smallest is: {smallest(group['smallest_within_granted'])}.")
    if group["smallest_to_the_letter"]:
        pairs = listed([f"{one['scope']} includes {one['includes']}" for one in group["implications"]])
        items.append(f"This relies on: {pairs}. Without that the smallest is: {smallest(group['smallest_to_the_letter'])}.")
    return notes("Other readings", items)


def _scopes(group: Members) -> list[tuple[str, ...]]:
    ordered = sorted(group["scopes"], key=lambda scope: (_ORDER.index(scope["status"]), scope["scope"]))
    return [(_scope_row(scope)[0], STATUS[scope["status"]], *_scope_row(scope)[1:]) for scope in ordered]


def _unexplained(group: Members) -> tuple[Part, ...]:
    rows = [
        (
            one["operation"],
            " or ".join(" and ".join(need) for need in one["needs"]),
            "yes" if one["grants_known"] else "no",
            str(one["count"]),
            minute(one["last"]),
        )
        for one in group["never_seen_granted"]
    ]
    return table("Used, but never seen granted", ("operation", "needs", "token's scopes known", "calls", "last"), rows, 3)
