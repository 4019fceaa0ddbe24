"""The dashboard about predictions: are they right, and is it safe to deny?"""

from __future__ import annotations

from typing import Final

from tools.dashboards.building import (
    BAD_FROM_ONE,
    DOUBTFUL_FROM_ONE,
    HALF,
    any_of,
    bars,
    each,
    lines,
    matrix,
    most,
    number,
    painted,
    plain,
    shares,
    states,
    table,
    turning,
)
from tools.dashboards.panels import CLIENTS, COLOURS, INSTANCE, VENDOR, Dashboard, Query, Row, Text, Value, counted, grown, of, rate, total

SCORES: Final = "scopegate_scores_total"
PREDICTIONS: Final = "scopegate_predictions_total"
DECISIONS: Final = "scopegate_decisions_total"
SCORED: Final = "=~correct_denial|correct_permit|false_denial|missed_denial"
APPS: Final = "=~$client"
DOUBTFUL: Final = "=~indeterminate|not-applicable"
WHICH: Final = "vendor, client"
DEMOTED: Final = f"scopegate_operations_demoted{{{of()}}}"
PROPOSALS: Final = f"scopegate_catalog_proposals{{{of()}}}"
SCORE_COLOURS: Final = painted(
    {
        "correct_permit": "passed",
        "correct_denial": "denied",
        "false_denial": "broken",
        "missed_denial": "vendor",
        "unforeseen": "login",
        "not_comparable": "quiet",
    }
)
_SHADOW: Final = {0: Value("lifted", COLOURS["passed"]), 1: Value("in shadow", COLOURS["broken"])}

_HOW: Final = """\
Every prediction about a request that was forwarded is compared with the vendor's real answer. A **false denial** (the vendor accepted \
what was predicted to fail) is the worst that can happen: it puts the operation back to shadow by itself. A **missed denial** costs a \
call, no more. An operation is ready for `enforce` with enough scored calls and no false denial: `scopegate report readiness` says so, \
operation by operation. \
See [Readiness](${docs}/reference/readiness.md)."""


def _scores(score: str, by: str = "") -> str:
    grew = grown(SCORES, of(client=APPS, score=score))
    return total(by, grew) if by else f"sum({grew})"


GLANCE: Final = Row(
    "At a glance",
    (
        Text("How to read this", "What is scored, and what the scores are good for.", _HOW),
        number(
            "False denials",
            "Requests that the vendor accepted although a denial was predicted. Must be 0.",
            _scores("false_denial"),
            BAD_FROM_ONE,
            decimals=0,
        ),
        number(
            "Back in shadow",
            "Operations that a false denial keeps in shadow, until the catalogue is corrected or an operator lifts it.",
            f"sum(max by (vendor, operation) ({DEMOTED}))",
            BAD_FROM_ONE,
            decimals=0,
        ),
        number(
            "Scored calls",
            "Forwarded requests whose prediction could be compared with the vendor's answer.",
            _scores(SCORED),
            plain("rules"),
            decimals=0,
        ),
        number(
            "Correct denials",
            "Of the predicted denials that could be compared: the share that the vendor refused too.",
            f"{_scores('correct_denial')} / {_scores('=~correct_denial|false_denial')}",
            turning((0.0, "broken"), (1.0, "passed")),
            unit="percentunit",
        ),
        number(
            "Refusals foreseen",
            "Of the vendor's refusals for want of a permission: the share that was predicted.",
            f"{_scores('correct_denial')} / {_scores('=~correct_denial|missed_denial|unforeseen')}",
            plain("rules"),
            unit="percentunit",
        ),
        number(
            "Rows in doubt",
            "Rows of the catalogue that the vendor's answers contradict, waiting for a person: `scopegate catalog diff` shows them.",
            f"sum(max by (vendor, kind) ({PROPOSALS}))",
            DOUBTFUL_FROM_ONE,
            decimals=0,
        ),
    ),
)

ACCURACY: Final = Row(
    "Accuracy",
    (
        lines(
            "Scores",
            "Predictions by how they compare with the vendor's answer.",
            "reqps",
            each("score", rate(SCORES, of(client=APPS))),
            width=HALF,
            stacked=True,
            colours=SCORE_COLOURS,
        ),
        matrix(
            "Predicted, and what the vendor did",
            "Requests in the time range; of all apps. `not_sent`: Scopegate answered itself, so nothing can be compared.",
            ("predicted", "actual"),
            Query(f"round({total('predicted, actual', grown(PREDICTIONS))})", "Requests"),
        ),
        bars(
            "False denials by operation",
            "Each is a wrong row of the catalogue or wrong knowledge. In the time range; of all apps.",
            plain("broken"),
            each("vendor, operation", counted("scopegate_false_denials_total")),
        ),
        states(
            "Operations back in shadow",
            "Operations that a false denial has put back to shadow, over time.",
            _SHADOW,
            most("vendor, operation", DEMOTED),
        ),
        lines(
            "Refusals that were not predicted",
            "`missed_denial`: a permit was predicted. `unforeseen`: nothing was predicted, and Scopegate has learned.",
            "reqps",
            any_of(each("vendor, score", rate(SCORES, of(client=APPS, score="=~missed_denial|unforeseen")))),
        ),
    ),
)

READINESS: Final = Row(
    "Readiness",
    (
        table(
            "Evidence by app and vendor",
            "Scored calls in the time range, and what they prove: if none was a false denial, then with 95 % confidence "
            "fewer than this share of such calls is denied falsely.",
            WHICH,
            any_of(Query(f"round({_scores(SCORED, WHICH)})", "Scored")),
            Query(f"round({_scores('false_denial', WHICH)}) and {_scores(SCORED, WHICH)} > 0", "False denials"),
            Query(f"round({_scores('missed_denial', WHICH)}) and {_scores(SCORED, WHICH)} > 0", "Missed denials"),
            Query(
                f"(1 - 0.05 ^ (1 / ({_scores(SCORED, WHICH)} > 0))) unless {_scores('false_denial', WHICH)} > 0",
                "False denials below",
                "percentunit",
            ),
            unit="short",
            width=14,
            sort="Scored",
        ),
        bars(
            "Catalogue rows in doubt",
            "Proposals for the catalogue, by what the vendor's answers say about the row.",
            DOUBTFUL_FROM_ONE,
            any_of(most("vendor, kind", PROPOSALS)),
            width=10,
        ),
    ),
)

DOUBT: Final = Row(
    "Doubt",
    (
        shares(
            "Share of doubt",
            "Share of the decisions where nothing could be said: `indeterminate` (knowledge is incomplete) or "
            "`not-applicable` (not in the catalogue).",
            Query(
                f"{total('vendor, decision', rate(DECISIONS, of(decision=DOUBTFUL)))}"
                f" / on (vendor) group_left () {total('vendor', rate(DECISIONS))}",
                "{{vendor}} {{decision}}",
            ),
        ),
        bars(
            "Operations most in doubt",
            "Requests in the time range whose prediction was `indeterminate`, by operation: the first ten.",
            plain("doubt"),
            Query(f"topk(10, {total('vendor, operation', counted(DECISIONS, of(decision='indeterminate')))})", "{{vendor}} {{operation}}"),
        ),
        lines(
            "What denials rest on",
            "Denials and would-be denials by the evidence about the token. `none`: your own rules needed none.",
            "reqps",
            each("evidence", rate(DECISIONS, of(decision="=~deny|would-deny"))),
            stacked=True,
        ),
        bars(
            "Denials sent as a sample",
            "Denials that were sent to the vendor all the same, to be scored (`verify_denials`). In the time range.",
            plain("rules"),
            each("vendor", grown("scopegate_verified_denials_total")),
            width=HALF,
            height=6,
        ),
        lines(
            "Not comparable",
            "Answers that prove neither side, by app: rate limits, logins that ended, errors. See the page Readiness.",
            "reqps",
            each("client", rate(SCORES, of(client=APPS, score="not_comparable"))),
            width=HALF,
            height=6,
        ),
    ),
)

PREDICTION: Final = Dashboard(
    "accuracy",
    "Scopegate: prediction accuracy and readiness",
    "Are the predictions right, and is it safe to let Scopegate deny?",
    (GLANCE, ACCURACY, READINESS, DOUBT),
    (INSTANCE, VENDOR, CLIENTS),
    span="now-7d",
)
