"""The dashboard for those who run the proxy."""

from __future__ import annotations

from typing import Final

from tools.dashboards.panels import (
    AT,
    COLOURS,
    INSTANCE,
    OF,
    VENDOR,
    Dashboard,
    Kind,
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
OWN_RULES: Final = "policy_not_allowed|unknown_token|unknown_operation"
FINE_BAD: Final = ((0.0, COLOURS["passed"]), (0.01, COLOURS["limit"]), (0.05, COLOURS["broken"]))
OUTCOMES: Final = {
    "forwarded": COLOURS["passed"],
    "denied": COLOURS["denied"],
    "would_deny": COLOURS["would"],
    "bad_request": COLOURS["quiet"],
    "upstream_error": COLOURS["broken"],
    "internal_error": COLOURS["own fault"],
}
WHO: Final = {
    "Scopegate: predicted": COLOURS["denied"],
    "Scopegate: own rules": COLOURS["rules"],
    "vendor: permission": COLOURS["vendor"],
    "vendor: login": COLOURS["login"],
    "vendor: rate limit": COLOURS["limit"],
}


def _number(title: str, description: str, unit: str, query: Query, **more: object) -> Panel:
    return Panel(title, description, unit, (query,), Kind.NUMBER, 4, 4, **more)  # type: ignore[arg-type]


def _answers(kind: str) -> str:
    return rate(ANSWERS, of(kind=kind))


GLANCE: Final = Row(
    "At a glance",
    (
        _number(
            "Requests", "Requests of the apps, whatever became of them.", "reqps", Query(f"sum({rate(REQUESTS)})", "requests"), decimals=1
        ),
        _number(
            "Denied by Scopegate",
            "Share of the requests that Scopegate answered with a denial itself, by prediction or by your own rules. "
            "The vendor never saw them.",
            "percentunit",
            Query(share(rate(REQUESTS, of(outcome="denied")), rate(REQUESTS)), "denied by Scopegate"),
            steps=((0.0, COLOURS["denied"]),),
        ),
        _number(
            "Refused by the vendor",
            "Share of the vendor's answers that are refusals for want of a permission. Scopegate forwarded these requests.",
            "percentunit",
            Query(share(_answers("permission"), rate(ANSWERS)), "refused by the vendor"),
            steps=((0.0, COLOURS["vendor"]),),
        ),
        _number(
            "Failed",
            "Share of the requests that ended in an error of the vendor, of the way to it, or of Scopegate. Denials are no failures.",
            "percentunit",
            Query(share(rate(REQUESTS, of(outcome="=~upstream_error|internal_error")), rate(REQUESTS)), "failed"),
            steps=FINE_BAD,
        ),
        _number(
            "Added time, 99 %",
            "Scopegate's own share of a request's time: 99 % of the requests had less. "
            "It includes waiting for a place and dialling. Over all vendors.",
            "s",
            Query(quantile(0.99, "scopegate_overhead_seconds", AT), "99 %"),
            decimals=1,
        ),
        _number(
            "Proxies",
            "Scopegate processes (with workers: supervisors) that Prometheus could scrape.",
            "short",
            Query(f"count(scopegate_build_info{{{AT}}})", "proxies"),
        ),
    ),
)

TRAFFIC: Final = Row(
    "Traffic",
    (
        Panel(
            "Requests by outcome",
            "What became of the requests. `would_deny` is forwarded, and would have been denied outside of shadow.",
            "reqps",
            (Query(total("outcome", rate(REQUESTS)), "{{outcome}}"),),
            width=12,
            stacked=True,
            colours=OUTCOMES,
        ),
        Panel(
            "Who said no?",
            "Refusals by who gave them. Violet and blue: Scopegate, by prediction or by your own rules; the vendor saw nothing. "
            "Orange and yellow: the vendor itself, for want of a permission, of a valid login, or for too many calls.",
            "reqps",
            (
                Query(f"sum({rate(AVOIDED, of(reason='!~' + OWN_RULES))})", "Scopegate: predicted"),
                Query(f"sum({rate(AVOIDED, of(reason='=~' + OWN_RULES))})", "Scopegate: own rules"),
                Query(f"sum({_answers('permission')})", "vendor: permission"),
                Query(f"sum({_answers('auth')})", "vendor: login"),
                Query(f"sum({_answers('rate_limit')})", "vendor: rate limit"),
            ),
            width=12,
            colours=WHO,
        ),
        Panel(
            "Requests by vendor",
            "`none` is for requests that match no mount.",
            "reqps",
            (Query(total("vendor", rate(REQUESTS)), "{{vendor}}"),),
        ),
        Panel(
            "Decisions",
            "`indeterminate` and `not-applicable` are doubt: forwarded, because only certainty denies.",
            "reqps",
            (Query(total("decision", rate("scopegate_decisions_total")), "{{decision}}"),),
            colours={
                "permit": COLOURS["passed"],
                "deny": COLOURS["denied"],
                "would-deny": COLOURS["would"],
                "indeterminate": COLOURS["doubt"],
                "not-applicable": COLOURS["quiet"],
            },
        ),
        Panel(
            "Denials by reason",
            "Vendor calls that were avoided, by reason. See the page Reasons.",
            "reqps",
            (Query(total("reason", rate(AVOIDED)), "{{reason}}"),),
            stacked=True,
            colours={
                "missing_scope": COLOURS["denied"],
                "missing_licence_or_access_level": COLOURS["right"],
                "policy_not_allowed": COLOURS["rules"],
                "unknown_token": COLOURS["doubt"],
                "unknown_operation": COLOURS["own list"],
            },
        ),
    ),
)

TIME: Final = Row(
    "Time",
    (
        Panel(
            "Forwarded requests",
            "From the end of the request head to the last byte of the answer, of forwarded requests.",
            "s",
            tuple(
                Query(quantile(part, "scopegate_request_duration_seconds", of(outcome="forwarded")), f"{part:.0%}".replace("%", " %"))
                for part in (0.5, 0.95, 0.99)
            ),
        ),
        Panel(
            "Vendors, 95 %",
            "From the moment the request was sent to the end of the vendor's answer: 95 % of the answers took less.",
            "s",
            (Query(quantile(0.95, "scopegate_vendor_duration_seconds", OF, "vendor"), "{{vendor}}"),),
        ),
        Panel(
            "Added by Scopegate",
            "The difference of the two: deciding, waiting for a place, dialling. Over all vendors.",
            "s",
            tuple(Query(quantile(part, "scopegate_overhead_seconds", AT), f"{part:.0%}".replace("%", " %")) for part in (0.5, 0.95, 0.99)),
        ),
    ),
)

_CIRCUIT: Final = {0: Value("closed", COLOURS["passed"]), 1: Value("half open", COLOURS["limit"]), 2: Value("open", COLOURS["broken"])}

VENDORS: Final = Row(
    "Vendors",
    (
        Panel(
            "Answers of the vendors",
            "`permission` is the vendor's own refusal, `auth` a login that it does not take, `transport` no answer.",
            "reqps",
            (Query(total("kind", rate(ANSWERS)), "{{kind}}"),),
            stacked=True,
            colours={
                "ok": COLOURS["passed"],
                "permission": COLOURS["vendor"],
                "auth": COLOURS["login"],
                "rate_limit": COLOURS["limit"],
                "other_4xx": COLOURS["quiet"],
                "server_error": COLOURS["broken"],
                "transport": COLOURS["own fault"],
            },
            width=12,
        ),
        Panel(
            "Vendors that fail",
            "Share of the calls to a vendor that ended with a 5xx or without an answer.",
            "percentunit",
            (Query(share(rate(ANSWERS, of(kind="=~server_error|transport")), rate(ANSWERS), "vendor"), "{{vendor}}"),),
            maximum=1,
            width=12,
        ),
        Panel(
            "Faults",
            "Requests that ended in a fault: of the request, of the way to the vendor, or of Scopegate. See the page Reasons.",
            "reqps",
            (Query(f"{total('reason', rate('scopegate_faults_total'))} > 0", "{{reason}}"),),
        ),
        Panel(
            "Circuit breakers",
            "An open circuit leaves a vendor's host alone after repeated failures; requests get 503 `circuit_open` meanwhile.",
            "short",
            (Query(f"max by (vendor, origin) (scopegate_circuit_state{{{OF}}})", "{{vendor}} {{origin}}"),),
            Kind.STATES,
            values=_CIRCUIT,
            steps=((0.0, COLOURS["passed"]), (1.0, COLOURS["limit"]), (2.0, COLOURS["broken"])),
        ),
        Panel(
            "Left of the vendors' rate limits",
            "What is left for whoever has the least left, as a share of the limit. Only of vendors that tell it: RingCentral.",
            "percentunit",
            (
                Query(
                    f"min by (vendor, group) (scopegate_vendor_rate_limit_remaining{{{OF}}} / scopegate_vendor_rate_limit_limit{{{OF}}})",
                    "{{vendor}} {{group}}",
                ),
            ),
            maximum=1,
        ),
        Panel(
            "Requests under way and waiting",
            "Waiting requests have found `limits.max_in_flight` used up.",
            "short",
            (
                Query(total("vendor", f"scopegate_requests_in_flight{{{OF}}}"), "{{vendor}} under way"),
                Query(total("vendor", f"scopegate_requests_waiting{{{OF}}}"), "{{vendor}} waiting"),
            ),
            width=12,
        ),
        Panel(
            "Connections to the vendors",
            "Open connections, in use or kept for the next request.",
            "short",
            (Query(total("vendor, state", f"scopegate_upstream_connections{{{OF}}}"), "{{vendor}} {{state}}"),),
            width=12,
        ),
    ),
)

LOOKUPS: Final = "scopegate_grant_cache_requests_total"
KNOWLEDGE: Final = Row(
    "Knowledge",
    (
        Panel(
            "Known tokens",
            "Tokens of which something is known, in the proxy that knows most of them.",
            "short",
            (Query(f"max by (vendor) (scopegate_grant_cache_entries{{{OF}}})", "{{vendor}}"),),
        ),
        Panel(
            "Requests with a known token",
            "Share of the look-ups that found something. A low share: logins do not pass the proxy.",
            "percentunit",
            (Query(share(rate(LOOKUPS, of(result="hit")), rate(LOOKUPS), "vendor"), "{{vendor}}"),),
            maximum=1,
        ),
        Panel(
            "Links pointed back at the proxy",
            "JSON answers by what became of their links. `too_large`, `busy` and `unreadable` were passed as they came.",
            "reqps",
            (Query(total("result", rate("scopegate_link_rewrites_total")), "{{result}}"),),
        ),
        Panel(
            "Tokens asked about",
            "What came of asking the vendor what a token holds. Only with `discover_scopes`.",
            "short",
            (Query(total("vendor, result", grown("scopegate_discoveries_total")), "{{vendor}} {{result}}"),),
            Kind.BARS,
            last=True,
            width=12,
            decimals=0,
            steps=((0.0, COLOURS["rules"]),),
        ),
        Panel(
            "Forgotten for want of room",
            "Tokens that were forgotten because there were more than `limits.max_known_tokens`.",
            "short",
            (Query(total("vendor", grown("scopegate_grant_cache_evictions_total")), "{{vendor}}"),),
            Kind.BARS,
            last=True,
            width=12,
            decimals=0,
            steps=((0.0, COLOURS["passed"]), (1.0, COLOURS["limit"])),
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
