"""The dashboard for one app that asks: why am I denied?"""

from __future__ import annotations

from typing import Final

from tools.dashboards.accuracy import SCORE_COLOURS
from tools.dashboards.building import HALF, any_of, counts, each, lines, number, painted, plain, table
from tools.dashboards.operations import FAILED, OUTCOMES
from tools.dashboards.panels import INSTANCE, ONE_CLIENT, VENDOR, Dashboard, Panel, Query, Row, Text, counted, grown, of, rate, total

REQUESTS: Final = "scopegate_requests_total"
RULES: Final = "scopegate_policy_denials_total"
MISSING: Final = "scopegate_missing_scope_total"
SCORES: Final = "scopegate_scores_total"
REFUSED: Final = "=~correct_denial|missed_denial|unforeseen"
"""Scores of requests that the vendor refused for want of a permission."""
APP: Final = "$client"
THIS: Final = of(client=APP)
WHO: Final = painted(
    {"Scopegate: predicted": "denied", "Scopegate: own rules": "rules", "vendor: permission": "vendor", "failed": "broken"}
)

_HOW: Final = """\
- **Violet: Scopegate predicted a refusal.** The token lacks a scope, or the user a right. Below: which one. Get it, then a new token.
- **Blue: your operator's rules** do not allow it; the error code is `SCG-POLICY`. Ask the operator.
- **Orange: the vendor itself refused**; Scopegate forwarded the request.
- **One refusal in full:** give its body to `scopegate explain-error`, or ask the operator what `/api/v1/decisions` says of its \
`Scopegate-Decision-Id`. More: [See why a request was denied](${docs}/how-to/see-why-a-request-was-denied.md)."""


def _number(title: str, description: str, expr: str, colour: str) -> Panel:
    return number(title, description, expr, plain(colour), decimals=0)


def _requests(outcome: str) -> str:
    return grown(REQUESTS, of(client=APP, outcome=outcome))


def _often(metric: str, name: str, **where: str) -> Query:
    return Query(f"sum({rate(metric, of(client=APP, **where))})", name)


_BY_RULES: Final = of(client=APP, mode="enforce")

GLANCE: Final = Row(
    "Why is $client denied?",
    (
        Text("How to read this", "What the colours stand for, and where to go on.", _HOW, height=5),
        _number("Forwarded", "Requests that Scopegate sent on and did not object to.", f"sum({_requests('forwarded')})", "passed"),
        _number(
            "Denied: predicted",
            "Requests that Scopegate answered itself, because the vendor would certainly have refused them.",
            f"clamp_min(sum({_requests('denied')}) - sum({grown(RULES, _BY_RULES)}), 0)",
            "denied",
        ),
        _number(
            "Denied: own rules",
            "Requests that your operator's rules do not allow. The vendor might have said yes.",
            f"sum({grown(RULES, _BY_RULES)})",
            "rules",
        ),
        _number(
            "Would be denied",
            "Requests that were forwarded in shadow, and will be denied as soon as the mode is enforce.",
            f"sum({_requests('would_deny')})",
            "would",
        ),
        _number(
            "Refused by the vendor",
            "Forwarded requests that the vendor refused for want of a permission.",
            f"sum({grown(SCORES, of(client=APP, score=REFUSED))})",
            "vendor",
        ),
        _number(
            "Failed",
            "Requests that were malformed, or ended in an error of the vendor, of the way to it, or of Scopegate. No permission helps.",
            f"sum({_requests('=~bad_request|upstream_error|internal_error')})",
            "broken",
        ),
    ),
)

WHAT: Final = Row(
    "What is missing",
    (
        counts(
            "Missing scopes",
            "Denials and would-be denials in the time range, by each scope that the shortest way out asks for. "
            "Mode `shadow`: still forwarded.",
            "vendor, scope, mode",
            Query(total("vendor, scope, mode", counted(MISSING, THIS)), "Requests"),
        ),
        counts(
            "Own rules that refused",
            "Denials and would-be denials in the time range by your operator's rules, and which part of them fell short. "
            "See the page Policy.",
            "vendor, why, mode",
            any_of(Query(total("vendor, why, mode", grown(RULES, THIS)), "Requests")),
        ),
        table(
            "Scopes of the app's tokens, and when they were last used",
            "Granted: 1 if the app's newest tokens hold the scope. A missing scope that is not listed here was never granted.",
            "vendor, scope",
            Query(f"max by (vendor, scope) (scopegate_scope_granted{{{THIS}}})", "Granted"),
            Query(
                f"max by (vendor, scope) (scopegate_scope_last_used_timestamp_seconds{{{THIS}}}) * 1000",
                "Last used",
                "dateTimeFromNow",
            ),
            sort="Granted",
        ),
        table(
            "The app's tokens",
            "When the token in use that ends last ends, and how long it lives from its login on. "
            "Only where the login was seen or the token says so.",
            "vendor",
            Query(f"max by (vendor) (scopegate_token_expiry_timestamp_seconds{{{THIS}}}) * 1000", "Ends", "dateTimeFromNow"),
            Query(f"max by (vendor) (scopegate_token_lifetime_seconds{{{THIS}}})", "Lives for", "s"),
        ),
    ),
)

WHEN: Final = Row(
    "When it happens",
    (
        lines(
            "Requests of the app by outcome",
            "What became of the app's requests. `would_deny` was forwarded.",
            "reqps",
            each("outcome", rate(REQUESTS, THIS)),
            width=HALF,
            stacked=True,
            colours=OUTCOMES,
        ),
        lines(
            "Who said no?",
            "Violet and blue: Scopegate, by prediction or by your operator's rules. Orange: the vendor itself. Red: nobody could be asked.",
            "reqps",
            Query(
                f"clamp_min(sum({rate(REQUESTS, of(client=APP, outcome='denied'))}) - sum({rate(RULES, _BY_RULES)}), 0)",
                "Scopegate: predicted",
            ),
            _often(RULES, "Scopegate: own rules", mode="enforce"),
            _often(SCORES, "vendor: permission", score=REFUSED),
            _often(REQUESTS, "failed", outcome=FAILED),
            width=HALF,
            colours=WHO,
        ),
        lines(
            "Missing scopes over time",
            "When a line ends at 0 after you were given a scope, it worked.",
            "reqps",
            each("vendor, scope", rate(MISSING, THIS)),
            width=HALF,
        ),
        lines(
            "Was Scopegate right?",
            "Predictions about this app's forwarded requests, compared with the vendor's answer. A `false_denial` is Scopegate's fault: "
            "tell your operator.",
            "reqps",
            any_of(each("score", rate(SCORES, THIS))),
            width=HALF,
            colours=SCORE_COLOURS,
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
