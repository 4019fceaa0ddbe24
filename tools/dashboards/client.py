"""The dashboard for one app that asks: why am I denied?"""

from __future__ import annotations

from typing import Final

from tools.dashboards.operations import OUTCOMES
from tools.dashboards.panels import (
    COLOURS,
    INSTANCE,
    ONE_CLIENT,
    VENDOR,
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    Text,
    counted,
    grown,
    of,
    rate,
    total,
)

REQUESTS: Final = "scopegate_requests_total"
RULES: Final = "scopegate_policy_denials_total"
MISSING: Final = "scopegate_missing_scope_total"
SCORES: Final = "scopegate_scores_total"
REFUSED: Final = "=~correct_denial|missed_denial|unforeseen"
"""Scores of requests that the vendor refused for want of a permission."""
APP: Final = "$client"

_HOW: Final = """\
- **Violet: Scopegate predicted a refusal.** The token lacks a scope, or the user a right. Below: which one. Get it, then a new token.
- **Blue: your operator's rules** do not allow it; the error code is `SCG-POLICY`. Ask the operator.
- **Orange: the vendor itself refused**; Scopegate forwarded the request.
- **One refusal in full:** give its body to `scopegate explain-error`, or ask the operator what `/api/v1/decisions` says of its \
`Scopegate-Decision-Id`. More: [See why a request was denied](${docs}/how-to/see-why-a-request-was-denied.md)."""


def _number(title: str, description: str, expr: str, colour: str) -> Panel:
    return Panel(
        title, description, "short", (Query(expr, title.lower()),), Kind.NUMBER, 4, 4, last=True, decimals=0, steps=((0.0, colour),)
    )


def _requests(outcome: str) -> str:
    return grown(REQUESTS, of(client=APP, outcome=outcome))


GLANCE: Final = Row(
    "Why is $client denied?",
    (
        Text("How to read this", "What the colours stand for, and where to go on.", _HOW, height=5),
        _number("Forwarded", "Requests that Scopegate sent on and did not object to.", f"sum({_requests('forwarded')})", COLOURS["passed"]),
        _number(
            "Denied: predicted",
            "Requests that Scopegate answered itself, because the vendor would certainly have refused them.",
            f"clamp_min(sum({_requests('denied')}) - sum({grown(RULES, of(client=APP, mode='enforce'))}), 0)",
            COLOURS["denied"],
        ),
        _number(
            "Denied: own rules",
            "Requests that your operator's rules do not allow. The vendor might have said yes.",
            f"sum({grown(RULES, of(client=APP, mode='enforce'))})",
            COLOURS["rules"],
        ),
        _number(
            "Would be denied",
            "Requests that were forwarded in shadow, and will be denied as soon as the mode is enforce.",
            f"sum({_requests('would_deny')})",
            COLOURS["would"],
        ),
        _number(
            "Refused by the vendor",
            "Forwarded requests that the vendor refused for want of a permission.",
            f"sum({grown(SCORES, of(client=APP, score=REFUSED))})",
            COLOURS["vendor"],
        ),
        _number(
            "Failed",
            "Requests that were malformed, or ended in an error of the vendor, of the way to it, or of Scopegate. No permission helps.",
            f"sum({_requests('=~bad_request|upstream_error|internal_error')})",
            COLOURS["broken"],
        ),
    ),
)

WHAT: Final = Row(
    "What is missing",
    (
        Panel(
            "Missing scopes",
            "Denials and would-be denials in the time range, by each scope that the shortest way out asks for. "
            "Mode `shadow`: still forwarded.",
            "short",
            (Query(total("vendor, scope, mode", counted(MISSING, of(client=APP))), "Requests"),),
            Kind.TABLE,
            width=12,
            decimals=0,
            labels=("vendor", "scope", "mode"),
            sort="Requests",
        ),
        Panel(
            "Own rules that refused",
            "Denials and would-be denials in the time range by your operator's rules, and which part of them fell short. "
            "See the page Policy.",
            "short",
            (Query(f"{total('vendor, why, mode', grown(RULES, of(client=APP)))} > 0", "Requests"),),
            Kind.TABLE,
            width=12,
            decimals=0,
            labels=("vendor", "why", "mode"),
            sort="Requests",
        ),
        Panel(
            "Scopes of the app's tokens, and when they were last used",
            "Granted: 1 if the app's newest tokens hold the scope. A missing scope that is not listed here was never granted.",
            "none",
            (
                Query(f"max by (vendor, scope) (scopegate_scope_granted{{{of(client=APP)}}})", "Granted"),
                Query(
                    f"max by (vendor, scope) (scopegate_scope_last_used_timestamp_seconds{{{of(client=APP)}}}) * 1000",
                    "Last used",
                    "dateTimeFromNow",
                ),
            ),
            Kind.TABLE,
            width=12,
            labels=("vendor", "scope"),
            sort="Granted",
        ),
        Panel(
            "The app's tokens",
            "When the token in use that ends last ends, and how long it lives from its login on. "
            "Only where the login was seen or the token says so.",
            "none",
            (
                Query(
                    f"max by (vendor) (scopegate_token_expiry_timestamp_seconds{{{of(client=APP)}}}) * 1000",
                    "Ends",
                    "dateTimeFromNow",
                ),
                Query(f"max by (vendor) (scopegate_token_lifetime_seconds{{{of(client=APP)}}})", "Lives for", "s"),
            ),
            Kind.TABLE,
            width=12,
            labels=("vendor",),
        ),
    ),
)

WHEN: Final = Row(
    "When it happens",
    (
        Panel(
            "Requests of the app by outcome",
            "What became of the app's requests. `would_deny` was forwarded.",
            "reqps",
            (Query(total("outcome", rate(REQUESTS, of(client=APP))), "{{outcome}}"),),
            width=12,
            stacked=True,
            colours=OUTCOMES,
        ),
        Panel(
            "Who said no?",
            "Violet and blue: Scopegate, by prediction or by your operator's rules. Orange: the vendor itself. Red: nobody could be asked.",
            "reqps",
            (
                Query(
                    f"clamp_min(sum({rate(REQUESTS, of(client=APP, outcome='denied'))})"
                    f" - sum({rate(RULES, of(client=APP, mode='enforce'))}), 0)",
                    "Scopegate: predicted",
                ),
                Query(f"sum({rate(RULES, of(client=APP, mode='enforce'))})", "Scopegate: own rules"),
                Query(f"sum({rate(SCORES, of(client=APP, score=REFUSED))})", "vendor: permission"),
                Query(f"sum({rate(REQUESTS, of(client=APP, outcome='=~upstream_error|internal_error'))})", "failed"),
            ),
            width=12,
            colours={
                "Scopegate: predicted": COLOURS["denied"],
                "Scopegate: own rules": COLOURS["rules"],
                "vendor: permission": COLOURS["vendor"],
                "failed": COLOURS["broken"],
            },
        ),
        Panel(
            "Missing scopes over time",
            "When a line ends at 0 after you were given a scope, it worked.",
            "reqps",
            (Query(total("vendor, scope", rate(MISSING, of(client=APP))), "{{vendor}} {{scope}}"),),
            width=12,
        ),
        Panel(
            "Was Scopegate right?",
            "Predictions about this app's forwarded requests, compared with the vendor's answer. A `false_denial` is Scopegate's fault: "
            "tell your operator.",
            "reqps",
            (Query(f"{total('score', rate(SCORES, of(client=APP)))} > 0", "{{score}}"),),
            width=12,
            colours={
                "correct_permit": COLOURS["passed"],
                "correct_denial": COLOURS["denied"],
                "false_denial": COLOURS["broken"],
                "missed_denial": COLOURS["vendor"],
                "unforeseen": COLOURS["login"],
                "not_comparable": COLOURS["quiet"],
            },
        ),
    ),
)

CLIENT: Final = Dashboard(
    "client",
    "Scopegate: one app",
    "Why is this app denied, by whom, and what would help?",
    (GLANCE, WHAT, WHEN),
    (INSTANCE, VENDOR, ONE_CLIENT),
)
