"""The dashboard about least privilege: what apps hold, use, and lack."""

from __future__ import annotations

from typing import Final

from tools.dashboards.panels import (
    CLIENTS,
    COLOURS,
    INSTANCE,
    VENDOR,
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    Text,
    Variable,
    counted,
    grown,
    of,
    rate,
    total,
)

DAYS: Final = Variable(
    "days", "Unused for (days)", "A granted scope counts as unused if it served no call for this long.", choices=("7", "30", "90")
)
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


def _number(title: str, description: str, expr: str, colour: str, unit: str = "short") -> Panel:
    return Panel(title, description, unit, (Query(expr, title.lower()),), Kind.NUMBER, 6, 4, steps=((0.0, COLOURS[colour]),))


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
        Panel(
            "Granted and unused",
            "Candidates to be taken away: granted, and no call within the chosen days needed them. Without a last use: never seen in use.",
            "none",
            (
                Query(UNUSED, "Granted"),
                Query(f"1000 * {LAST} and {UNUSED}", "Last used", "dateTimeFromNow"),
            ),
            Kind.TABLE,
            width=14,
            height=10,
            labels=("vendor", "client", "scope"),
            sort="App",
        ),
        Panel(
            "Unused scopes by app",
            "How many granted scopes of each app served no call within the chosen days.",
            "short",
            (Query(f"count by (client, vendor) ({UNUSED})", "{{client}} at {{vendor}}"),),
            Kind.BARS,
            width=10,
            height=10,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["vendor"]),),
        ),
        Panel(
            "Scopes in use",
            "Scopes that served a call, and when they did so last. Used without being granted: presumed from another scope, "
            "or the login was not seen.",
            "none",
            (
                Query(f"1000 * {LAST}", "Last used", "dateTimeFromNow"),
                Query(f"max by ({SCOPE}) (scopegate_scope_granted{{{THESE}}}) and {LAST}", "Granted"),
            ),
            Kind.TABLE,
            width=14,
            height=10,
            labels=("vendor", "client", "scope"),
            sort="Last used",
        ),
        Panel(
            "Granted and unused over time",
            "Both lines should fall, and the gap to the used ones with them.",
            "short",
            (Query(f"count({GRANTED})", "granted"), Query(f"count({UNUSED})", "unused")),
            width=10,
            height=10,
            colours={"granted": COLOURS["rules"], "unused": COLOURS["vendor"]},
        ),
    ),
)

TOO_LITTLE: Final = Row(
    "Too little",
    (
        Panel(
            "Missing scopes",
            "Denials and would-be denials in the time range, by each scope that the shortest way out asks for.",
            "short",
            (Query(total("vendor, client, scope, mode", counted("scopegate_missing_scope_total", THESE)), "Requests"),),
            Kind.TABLE,
            width=14,
            decimals=0,
            labels=("vendor", "client", "scope", "mode"),
            sort="Requests",
        ),
        Panel(
            "Own rules that refused",
            "Denials and would-be denials in the time range by your own rules. `scope_ceiling`: the app may not use that much.",
            "short",
            (Query(f"{total('vendor, client, why', grown('scopegate_policy_denials_total', THESE))} > 0", "Requests"),),
            Kind.TABLE,
            width=10,
            decimals=0,
            labels=("vendor", "client", "why"),
            sort="Requests",
        ),
        Panel(
            "Missing scopes over time",
            "Requests by app and scope that was missing.",
            "reqps",
            (Query(total("client, scope", rate("scopegate_missing_scope_total", THESE)), "{{client}}: {{scope}}"),),
            width=14,
        ),
        Panel(
            "Vendor calls avoided",
            "Requests in the time range that the vendor did not get, by reason. They cost no quota there.",
            "short",
            (Query(f"{total('vendor, reason', grown('scopegate_vendor_calls_avoided_total'))} > 0", "{{vendor}}: {{reason}}"),),
            Kind.BARS,
            width=10,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["passed"]),),
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
