"""The dashboard about predictions: are they right, and is it safe to deny?"""

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
    Value,
    counted,
    grown,
    of,
    rate,
    total,
)

SCORES: Final = "scopegate_scores_total"
PREDICTIONS: Final = "scopegate_predictions_total"
DECISIONS: Final = "scopegate_decisions_total"
SCORED: Final = "=~correct_denial|correct_permit|false_denial|missed_denial"
APPS: Final = "=~$client"
DOUBTFUL: Final = "=~indeterminate|not-applicable"
WHICH: Final = "vendor, client"
SCORE_COLOURS: Final = {
    "correct_permit": COLOURS["passed"],
    "correct_denial": COLOURS["denied"],
    "false_denial": COLOURS["broken"],
    "missed_denial": COLOURS["vendor"],
    "unforeseen": COLOURS["login"],
    "not_comparable": COLOURS["quiet"],
}

_HOW: Final = """\
Every prediction about a request that was forwarded is compared with the vendor's real answer. A **false denial** (the vendor accepted \
what was predicted to fail) is the worst that can happen: it puts the operation back to shadow by itself. A **missed denial** costs a \
call, no more. An operation is ready for `enforce` with enough scored calls and no false denial: `scopegate report readiness` says so, \
operation by operation. \
See [Readiness](${docs}/reference/readiness.md)."""


def _scores(score: str, by: str = "") -> str:
    grew = grown(SCORES, of(client=APPS, score=score))
    return total(by, grew) if by else f"sum({grew})"


def _number(title: str, description: str, unit: str, expr: str, steps: tuple[tuple[float, str], ...], decimals: int | None = None) -> Panel:
    return Panel(title, description, unit, (Query(expr, title.lower()),), Kind.NUMBER, 4, 4, last=True, decimals=decimals, steps=steps)


_NONE_IS_GOOD: Final = ((0.0, COLOURS["passed"]), (1.0, COLOURS["broken"]))
_BLUE: Final = ((0.0, COLOURS["rules"]),)

GLANCE: Final = Row(
    "At a glance",
    (
        Text("How to read this", "What is scored, and what the scores are good for.", _HOW),
        _number(
            "False denials",
            "Requests that the vendor accepted although a denial was predicted. Must be 0.",
            "short",
            _scores("false_denial"),
            _NONE_IS_GOOD,
            0,
        ),
        _number(
            "Back in shadow",
            "Operations that a false denial keeps in shadow, until the catalogue is corrected or an operator lifts it.",
            "short",
            f"sum(max by (vendor, operation) (scopegate_operations_demoted{{{of()}}}))",
            _NONE_IS_GOOD,
            0,
        ),
        _number(
            "Scored calls",
            "Forwarded requests whose prediction could be compared with the vendor's answer.",
            "short",
            _scores(SCORED),
            _BLUE,
            0,
        ),
        _number(
            "Correct denials",
            "Of the predicted denials that could be compared: the share that the vendor refused too.",
            "percentunit",
            f"{_scores('correct_denial')} / {_scores('=~correct_denial|false_denial')}",
            ((0.0, COLOURS["broken"]), (1.0, COLOURS["passed"])),
        ),
        _number(
            "Refusals foreseen",
            "Of the vendor's refusals for want of a permission: the share that was predicted.",
            "percentunit",
            f"{_scores('correct_denial')} / {_scores('=~correct_denial|missed_denial|unforeseen')}",
            _BLUE,
        ),
        _number(
            "Rows in doubt",
            "Rows of the catalogue that the vendor's answers contradict, waiting for a person: `scopegate catalog diff` shows them.",
            "short",
            f"sum(max by (vendor, kind) (scopegate_catalog_proposals{{{of()}}}))",
            ((0.0, COLOURS["passed"]), (1.0, COLOURS["limit"])),
            0,
        ),
    ),
)

ACCURACY: Final = Row(
    "Accuracy",
    (
        Panel(
            "Scores",
            "Predictions by how they compare with the vendor's answer.",
            "reqps",
            (Query(total("score", rate(SCORES, of(client=APPS))), "{{score}}"),),
            width=12,
            stacked=True,
            colours=SCORE_COLOURS,
        ),
        Panel(
            "Predicted, and what the vendor did",
            "Requests in the time range; of all apps. `not_sent`: Scopegate answered itself, so nothing can be compared.",
            "short",
            (Query(f"round({total('predicted, actual', grown(PREDICTIONS))})", "Requests"),),
            Kind.TABLE,
            width=12,
            decimals=0,
            labels=("predicted", "actual"),
            matrix=("predicted", "actual"),
        ),
        Panel(
            "False denials by operation",
            "Each is a wrong row of the catalogue or wrong knowledge. In the time range; of all apps.",
            "short",
            (Query(total("vendor, operation", counted("scopegate_false_denials_total")), "{{vendor}} {{operation}}"),),
            Kind.BARS,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["broken"]),),
        ),
        Panel(
            "Operations back in shadow",
            "Operations that a false denial has put back to shadow, over time.",
            "short",
            (Query(f"max by (vendor, operation) (scopegate_operations_demoted{{{of()}}})", "{{vendor}} {{operation}}"),),
            Kind.STATES,
            values={0: Value("lifted", COLOURS["passed"]), 1: Value("in shadow", COLOURS["broken"])},
            steps=((0.0, COLOURS["passed"]), (1.0, COLOURS["broken"])),
        ),
        Panel(
            "Refusals that were not predicted",
            "`missed_denial`: a permit was predicted. `unforeseen`: nothing was predicted, and Scopegate has learned.",
            "reqps",
            (
                Query(
                    f"{total('vendor, score', rate(SCORES, of(client=APPS, score='=~missed_denial|unforeseen')))} > 0",
                    "{{vendor}} {{score}}",
                ),
            ),
        ),
    ),
)

READINESS: Final = Row(
    "Readiness",
    (
        Panel(
            "Evidence by app and vendor",
            "Scored calls in the time range, and what they prove: if none was a false denial, then with 95 % confidence "
            "fewer than this share of such calls is denied falsely.",
            "short",
            (
                Query(f"round({_scores(SCORED, WHICH)}) > 0", "Scored"),
                Query(f"round({_scores('false_denial', WHICH)}) and {_scores(SCORED, WHICH)} > 0", "False denials"),
                Query(f"round({_scores('missed_denial', WHICH)}) and {_scores(SCORED, WHICH)} > 0", "Missed denials"),
                Query(
                    f"(1 - 0.05 ^ (1 / ({_scores(SCORED, WHICH)} > 0))) unless {_scores('false_denial', WHICH)} > 0",
                    "False denials below",
                    "percentunit",
                ),
            ),
            Kind.TABLE,
            width=14,
            labels=("vendor", "client"),
            sort="Scored",
        ),
        Panel(
            "Catalogue rows in doubt",
            "Proposals for the catalogue, by what the vendor's answers say about the row.",
            "short",
            (Query(f"max by (vendor, kind) (scopegate_catalog_proposals{{{of()}}}) > 0", "{{vendor}} {{kind}}"),),
            Kind.BARS,
            width=10,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["passed"]), (1.0, COLOURS["limit"])),
        ),
    ),
)

DOUBT: Final = Row(
    "Doubt",
    (
        Panel(
            "Share of doubt",
            "Share of the decisions where nothing could be said: `indeterminate` (knowledge is incomplete) or "
            "`not-applicable` (not in the catalogue).",
            "percentunit",
            (
                Query(
                    f"{total('vendor, decision', rate(DECISIONS, of(decision=DOUBTFUL)))}"
                    f" / on (vendor) group_left () {total('vendor', rate(DECISIONS))}",
                    "{{vendor}} {{decision}}",
                ),
            ),
            maximum=1,
        ),
        Panel(
            "Operations most in doubt",
            "Requests in the time range whose prediction was `indeterminate`, by operation: the first ten.",
            "short",
            (
                Query(
                    f"topk(10, {total('vendor, operation', counted(DECISIONS, of(decision='indeterminate')))})", "{{vendor}} {{operation}}"
                ),
            ),
            Kind.BARS,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["doubt"]),),
        ),
        Panel(
            "What denials rest on",
            "Denials and would-be denials by the evidence about the token. `none`: your own rules needed none.",
            "reqps",
            (Query(total("evidence", rate(DECISIONS, of(decision="=~deny|would-deny"))), "{{evidence}}"),),
            stacked=True,
        ),
        Panel(
            "Denials sent as a sample",
            "Denials that were sent to the vendor all the same, to be scored (`verify_denials`). In the time range.",
            "short",
            (Query(total("vendor", grown("scopegate_verified_denials_total")), "{{vendor}}"),),
            Kind.BARS,
            width=12,
            height=6,
            last=True,
            decimals=0,
            steps=_BLUE,
        ),
        Panel(
            "Not comparable",
            "Answers that prove neither side, by app: rate limits, logins that ended, errors. See the page Readiness.",
            "reqps",
            (Query(total("client", rate(SCORES, of(client=APPS, score="not_comparable"))), "{{client}}"),),
            width=12,
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
