"""The dashboard about least privilege: what apps hold, use, and lack."""

from __future__ import annotations

from typing import Final

from tools.dashboards.building import any_of, bars, counts, lines, number, painted, plain, table
from tools.dashboards.panels import CLIENTS, INSTANCE, VENDOR, Dashboard, Panel, Query, Row, Text, Variable, counted, grown, of, rate, total

DAYS: Final = Variable(
    "days", "Unused for (days)", "A granted scope counts as unused if it served no call for this long.", choices=("7", "30", "90")
)
MISSING: Final = "scopegate_missing_scope_total"
SCOPE: Final = "vendor, client, scope"
THESE: Final = of(client="=~$client")
GRANTED: Final = f"(max by ({SCOPE}) (scopegate_scope_granted{{{THESE}}}) == 1)"
LAST: Final = f"max by ({SCOPE}) (scopegate_scope_last_used_timestamp_seconds{{{THESE}}})"
USED: Final = f"(time() - {LAST} < $days * 86400)"
UNUSED: Final = f"({GRANTED} unless {USED})"

_HOW: Final = """\
A scope that a token holds and that no call needs is only a risk. **Granted** is what the newest tokens of an app hold; **used** is what \
served, or may have served, a call that the vendor answered with success. Scopegate sees only what passes through it, so let the days \
cover rare jobs before you take a scope away: `scopegate report least-privilege` finds the smallest set that would have carried all calls, \
alternatives included. See [Find unused scopes](${docs}/how-to/find-unused-scopes.md)."""


WIDE, NARROW, HIGH = 14, 10, 10


def _number(title: str, description: str, expr: str, colour: str, unit: str = "short") -> Panel:
    return number(title, description, expr, plain(colour), unit=unit, width=6, whole_range=False)


GLANCE: Final = Row(
    "At a glance",
    (
        Text("How to read this", "What granted and used mean, and what they leave open.", _HOW),
        _number("Granted scopes", "Scopes that the newest tokens of the apps hold, app by app.", f"count({GRANTED})", "rules"),
        _number("Used scopes", "Granted scopes that served a call within the chosen days.", f"count({GRANTED} and {USED})", "passed"),
        _number("Unused scopes", "Granted scopes that served no call within the chosen days.", f"count({UNUSED})", "vendor"),
        _number("Unused share", "Unused scopes of all that are granted.", f"count({UNUSED}) / count({GRANTED})", "vendor", "percentunit"),
    ),
)

TOO_MUCH: Final = Row(
    "Too much",
    (
        table(
            "Granted and unused",
            "Candidates to be taken away: granted, and no call within the chosen days needed them. Without a last use: never seen in use.",
            SCOPE,
            Query(UNUSED, "Granted"),
            Query(f"1000 * {LAST} and {UNUSED}", "Last used", "dateTimeFromNow"),
            width=WIDE,
            height=HIGH,
            sort="App",
        ),
        bars(
            "Unused scopes by app",
            "How many granted scopes of each app served no call within the chosen days.",
            plain("vendor"),
            Query(f"count by (client, vendor) ({UNUSED})", "{{client}} at {{vendor}}"),
            width=NARROW,
            height=HIGH,
        ),
        table(
            "Scopes in use",
            "Scopes that served a call, and when they did so last. Used without being granted: presumed from another scope, "
            "or the login was not seen.",
            SCOPE,
            Query(f"1000 * {LAST}", "Last used", "dateTimeFromNow"),
            Query(f"max by ({SCOPE}) (scopegate_scope_granted{{{THESE}}}) and {LAST}", "Granted"),
            width=WIDE,
            height=HIGH,
            sort="Last used",
        ),
        lines(
            "Granted and unused over time",
            "Both lines should fall, and the gap to the used ones with them.",
            "short",
            Query(f"count({GRANTED})", "granted"),
            Query(f"count({UNUSED})", "unused"),
            width=NARROW,
            height=HIGH,
            colours=painted({"granted": "rules", "unused": "vendor"}),
        ),
    ),
)

TOO_LITTLE: Final = Row(
    "Too little",
    (
        counts(
            "Missing scopes",
            "Denials and would-be denials in the time range, by each scope that the shortest way out asks for.",
            f"{SCOPE}, mode",
            Query(total(f"{SCOPE}, mode", counted(MISSING, THESE)), "Requests"),
            width=WIDE,
        ),
        counts(
            "Own rules that refused",
            "Denials and would-be denials in the time range by your own rules. `scope_ceiling`: the app may not use that much.",
            "vendor, client, why",
            any_of(Query(total("vendor, client, why", grown("scopegate_policy_denials_total", THESE)), "Requests")),
            width=NARROW,
        ),
        lines(
            "Missing scopes over time",
            "Requests by app and scope that was missing.",
            "reqps",
            Query(total("client, scope", rate(MISSING, THESE)), "{{client}}: {{scope}}"),
            width=WIDE,
        ),
        bars(
            "Vendor calls avoided",
            "Requests in the time range that the vendor did not get, by reason. They cost no quota there.",
            plain("passed"),
            any_of(Query(total("vendor, reason", grown("scopegate_vendor_calls_avoided_total")), "{{vendor}}: {{reason}}")),
            width=NARROW,
        ),
    ),
)

PRIVILEGES: Final = Dashboard(
    "least-privilege",
    "Scopegate: least privilege",
    "Which scopes do apps hold without using them, and which do they lack?",
    (GLANCE, TOO_MUCH, TOO_LITTLE),
    (INSTANCE, VENDOR, CLIENTS, DAYS),
    span="now-7d",
)
