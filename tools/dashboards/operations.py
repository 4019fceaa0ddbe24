"""The dashboard for those who run the proxy."""

from __future__ import annotations

from typing import Final

from tools.dashboards.building import (
    DOUBTFUL_FROM_ONE,
    HALF,
    Steps,
    any_of,
    bars,
    each,
    lines,
    most,
    number,
    painted,
    plain,
    shares,
    states,
    turning,
)
from tools.dashboards.panels import (
    AT,
    COLOURS,
    INSTANCE,
    OF,
    VENDOR,
    Dashboard,
    Panel,
    Query,
    Row,
    Value,
    grown,
    of,
    quantile,
    rate,
    share,
    total,
)
from tools.dashboards.program import PROGRAM, STORES

REQUESTS: Final = "scopegate_requests_total"
ANSWERS: Final = "scopegate_vendor_responses_total"
AVOIDED: Final = "scopegate_vendor_calls_avoided_total"
LOOKUPS: Final = "scopegate_grant_cache_requests_total"
LEFT: Final = "scopegate_vendor_rate_limit"
OVERHEAD: Final = "scopegate_overhead_seconds"
OWN_RULES: Final = "policy_not_allowed|unknown_token|unknown_operation"
FAILED: Final = "=~upstream_error|internal_error"
OUTCOMES: Final = painted(
    {
        "forwarded": "passed",
        "denied": "denied",
        "would_deny": "would",
        "bad_request": "quiet",
        "upstream_error": "broken",
        "internal_error": "own fault",
    }
)
WHO: Final = painted(
    {
        "Scopegate: predicted": "denied",
        "Scopegate: own rules": "rules",
        "vendor: permission": "vendor",
        "vendor: login": "login",
        "vendor: rate limit": "limit",
    }
)
DECISIONS: Final = painted(
    {"permit": "passed", "deny": "denied", "would-deny": "would", "indeterminate": "doubt", "not-applicable": "quiet"}
)
REASONS: Final = painted(
    {
        "missing_scope": "denied",
        "missing_licence_or_access_level": "right",
        "policy_not_allowed": "rules",
        "unknown_token": "doubt",
        "unknown_operation": "own list",
    }
)
KINDS: Final = painted(
    {
        "ok": "passed",
        "permission": "vendor",
        "auth": "login",
        "rate_limit": "limit",
        "other_4xx": "quiet",
        "server_error": "broken",
        "transport": "own fault",
    }
)
_CIRCUIT: Final = {0: Value("closed", COLOURS["passed"]), 1: Value("half open", COLOURS["limit"]), 2: Value("open", COLOURS["broken"])}


def _now(
    title: str, description: str, expr: str, steps: Steps = (), *, unit: str = "percentunit", name: str = "", decimals: int | None = None
) -> Panel:
    return number(title, description, expr, steps, unit=unit, name=name, decimals=decimals, whole_range=False)


def _answers(kind: str) -> str:
    return rate(ANSWERS, of(kind=kind))


def _quantiles(histogram: str, where: str) -> tuple[Query, ...]:
    return tuple(Query(quantile(part, histogram, where), f"{part:.0%}".replace("%", " %")) for part in (0.5, 0.95, 0.99))


GLANCE: Final = Row(
    "At a glance",
    (
        _now("Requests", "Requests of the apps, whatever became of them.", f"sum({rate(REQUESTS)})", unit="reqps", decimals=1),
        _now(
            "Denied by Scopegate",
            "Share of the requests that Scopegate answered with a denial itself, by prediction or by your own rules. "
            "The vendor never saw them.",
            share(rate(REQUESTS, of(outcome="denied")), rate(REQUESTS)),
            plain("denied"),
            name="denied by Scopegate",
        ),
        _now(
            "Refused by the vendor",
            "Share of the vendor's answers that are refusals for want of a permission. Scopegate forwarded these requests.",
            share(_answers("permission"), rate(ANSWERS)),
            plain("vendor"),
        ),
        _now(
            "Failed",
            "Share of the requests that ended in an error of the vendor, of the way to it, or of Scopegate. Denials are no failures.",
            share(rate(REQUESTS, of(outcome=FAILED)), rate(REQUESTS)),
            turning((0.0, "passed"), (0.01, "limit"), (0.05, "broken")),
        ),
        _now(
            "Added time, 99 %",
            "Scopegate's own share of a request's time: 99 % of the requests had less. "
            "It includes waiting for a place and dialling. Over all vendors.",
            quantile(0.99, OVERHEAD, AT),
            unit="s",
            name="99 %",
            decimals=1,
        ),
        _now(
            "Proxies",
            "Scopegate processes (with workers: supervisors) that Prometheus could scrape.",
            f"count(scopegate_build_info{{{AT}}})",
            unit="short",
        ),
    ),
)

TRAFFIC: Final = Row(
    "Traffic",
    (
        lines(
            "Requests by outcome",
            "What became of the requests. `would_deny` is forwarded, and would have been denied outside of shadow.",
            "reqps",
            each("outcome", rate(REQUESTS)),
            width=HALF,
            stacked=True,
            colours=OUTCOMES,
        ),
        lines(
            "Who said no?",
            "Refusals by who gave them. Violet and blue: Scopegate, by prediction or by your own rules; the vendor saw nothing. "
            "Orange and yellow: the vendor itself, for want of a permission, of a valid login, or for too many calls.",
            "reqps",
            Query(f"sum({rate(AVOIDED, of(reason='!~' + OWN_RULES))})", "Scopegate: predicted"),
            Query(f"sum({rate(AVOIDED, of(reason='=~' + OWN_RULES))})", "Scopegate: own rules"),
            Query(f"sum({_answers('permission')})", "vendor: permission"),
            Query(f"sum({_answers('auth')})", "vendor: login"),
            Query(f"sum({_answers('rate_limit')})", "vendor: rate limit"),
            width=HALF,
            colours=WHO,
        ),
        lines("Requests by vendor", "`none` is for requests that match no mount.", "reqps", each("vendor", rate(REQUESTS))),
        lines(
            "Decisions",
            "`indeterminate` and `not-applicable` are doubt: forwarded, because only certainty denies.",
            "reqps",
            each("decision", rate("scopegate_decisions_total")),
            colours=DECISIONS,
        ),
        lines(
            "Denials by reason",
            "Vendor calls that were avoided, by reason. See the page Reasons.",
            "reqps",
            each("reason", rate(AVOIDED)),
            stacked=True,
            colours=REASONS,
        ),
    ),
)

TIME: Final = Row(
    "Time",
    (
        lines(
            "Forwarded requests",
            "From the end of the request head to the last byte of the answer, of forwarded requests.",
            "s",
            *_quantiles("scopegate_request_duration_seconds", of(outcome="forwarded")),
        ),
        lines(
            "Vendors, 95 %",
            "From the moment the request was sent to the end of the vendor's answer: 95 % of the answers took less.",
            "s",
            Query(quantile(0.95, "scopegate_vendor_duration_seconds", OF, "vendor"), "{{vendor}}"),
        ),
        lines(
            "Added by Scopegate",
            "The difference of the two: deciding, waiting for a place, dialling. Over all vendors.",
            "s",
            *_quantiles(OVERHEAD, AT),
        ),
    ),
)

VENDORS: Final = Row(
    "Vendors",
    (
        lines(
            "Answers of the vendors",
            "`permission` is the vendor's own refusal, `auth` a login that it does not take, `transport` no answer.",
            "reqps",
            each("kind", rate(ANSWERS)),
            width=HALF,
            stacked=True,
            colours=KINDS,
        ),
        shares(
            "Vendors that fail",
            "Share of the calls to a vendor that ended with a 5xx or without an answer.",
            Query(share(rate(ANSWERS, of(kind="=~server_error|transport")), rate(ANSWERS), "vendor"), "{{vendor}}"),
            width=HALF,
        ),
        lines(
            "Faults",
            "Requests that ended in a fault: of the request, of the way to the vendor, or of Scopegate. See the page Reasons.",
            "reqps",
            any_of(each("reason", rate("scopegate_faults_total"))),
        ),
        states(
            "Circuit breakers",
            "An open circuit leaves a vendor's host alone after repeated failures; requests get 503 `circuit_open` meanwhile.",
            _CIRCUIT,
            most("vendor, origin", f"scopegate_circuit_state{{{OF}}}"),
        ),
        shares(
            "Left of the vendors' rate limits",
            "What is left for whoever has the least left, as a share of the limit. Only of vendors that tell it: RingCentral.",
            Query(f"min by (vendor, group) ({LEFT}_remaining{{{OF}}} / {LEFT}_limit{{{OF}}})", "{{vendor}} {{group}}"),
        ),
        lines(
            "Requests under way and waiting",
            "Waiting requests have found `limits.max_in_flight` used up.",
            "short",
            Query(total("vendor", f"scopegate_requests_in_flight{{{OF}}}"), "{{vendor}} under way"),
            Query(total("vendor", f"scopegate_requests_waiting{{{OF}}}"), "{{vendor}} waiting"),
            width=HALF,
        ),
        lines(
            "Connections to the vendors",
            "Open connections, in use or kept for the next request.",
            "short",
            each("vendor, state", f"scopegate_upstream_connections{{{OF}}}"),
            width=HALF,
        ),
    ),
)

KNOWLEDGE: Final = Row(
    "Knowledge",
    (
        lines(
            "Known tokens",
            "Tokens of which something is known, in the proxy that knows most of them.",
            "short",
            most("vendor", f"scopegate_grant_cache_entries{{{OF}}}"),
        ),
        shares(
            "Requests with a known token",
            "Share of the look-ups that found something. A low share: logins do not pass the proxy.",
            Query(share(rate(LOOKUPS, of(result="hit")), rate(LOOKUPS), "vendor"), "{{vendor}}"),
        ),
        lines(
            "Links pointed back at the proxy",
            "JSON answers by what became of their links. `too_large`, `busy` and `unreadable` were passed as they came.",
            "reqps",
            each("result", rate("scopegate_link_rewrites_total")),
        ),
        bars(
            "Tokens asked about",
            "What came of asking the vendor what a token holds. Only with `discover_scopes`.",
            plain("rules"),
            each("vendor, result", grown("scopegate_discoveries_total")),
            width=HALF,
        ),
        bars(
            "Forgotten for want of room",
            "Tokens that were forgotten because there were more than `limits.max_known_tokens`.",
            DOUBTFUL_FROM_ONE,
            each("vendor", grown("scopegate_grant_cache_evictions_total")),
            width=HALF,
        ),
    ),
)

OPERATIONS: Final = Dashboard(
    "operations",
    "Scopegate: operations",
    "Is the proxy well, are the vendors well, and who says no?",
    (GLANCE, TRAFFIC, TIME, VENDORS, KNOWLEDGE, STORES, PROGRAM),
    (INSTANCE, VENDOR),
)
