"""What recorders make of repeated exchanges is what they make of the same exchanges written out."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import Secret
from proxy.evidence.proposals import Proposals
from proxy.evidence.scores import Rules, Scores
from proxy.evidence.scoring import Score
from proxy.evidence.usage import UsageLedger
from proxy.model import NO_RESOURCES
from proxy.protocol.trace_context import NO_TRACE, Trace
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.exchange import Exchange, Repetition, likeness
from proxy.telemetry.recent import Recent
from proxy.telemetry.recorders import Recorder, Recorders
from tests.fakes.scored import Book
from tests.unit.telemetry.support import DENIED, FORWARDED, INFORMED, make_metrics, page_of

OWN = ("decision_id", "request_id", "started_at", "trace", "path", "peer", "request_bytes", "response_bytes", "duration", "vendor_duration")
BOOK = Book()
SCORED = tuple(BOOK.exchange(each) for each in Score)
UNKNOWN = FORWARDED._replace(fingerprint="", vendor="none")
KINDS = (FORWARDED, DENIED, INFORMED, INFORMED._replace(resources=NO_RESOURCES), UNKNOWN, *SCORED)
TRACES = (
    NO_TRACE,
    Trace("1" * 32, "2" * 16, "", 2, b"", "2" * 16, told=True),
    Trace("1" * 32, "2" * 16, "3" * 16, 1, b"", "4" * 16, told=True),
)
PATHS = ("/restapi/v1.0/account/~/call-log", "/a", "/\u00e4", '/"quoted"', "/back\\slash", "/" + "long/" * 60, "")
IDENTIFIERS = ("01JD0000000000000000000009", "request-1", "7", "caf\u00e9", '"')
seconds = st.sampled_from((0.0, 0.0000004, 0.00005, 0.25, 61.0)) | st.floats(0.0, 100.0, allow_nan=False)


class House(NamedTuple):
    """One of everything that records."""

    recorders: Recorders
    results: dict[str, Any]

    def left(self) -> dict[str, object]:
        metrics, lines, recent, usage, scores = (self.results[name] for name in ("metrics", "lines", "recent", "usage", "scores"))
        return {
            "metrics": page_of(metrics),
            "lines": [re.sub(rb'_ms":-?[0-9.]+', b"", line) for line in lines if b'"event":"decision"' in line],
            "recent": [exchange._replace(memo=None) for exchange in recent.find(limit=1000)],
            "usage": sorted(row.encode() for row in usage.rows()),
            "scores": [row.encode() for row in scores.rows(0.0)],
            "errors": self.recorders.errors,
        }


def house() -> House:
    lines: list[bytes] = []
    metrics, recent, usage, scores, proposals = make_metrics(), Recent(), UsageLedger(1e9), Scores(lambda _: None, 1e9), Proposals()
    for ledger in (scores, proposals):
        ledger.adopt({"v": Rules(BOOK.catalog, {})})
    log = decision_log(text=False, put=lines.append, key=Secret(b"k" * 32))
    all_of_them: dict[str, Recorder] = {
        "metrics": metrics, "recent": recent, "usage": usage, "scores": scores, "proposals": proposals, "log": log,
    }  # fmt: skip
    return House(Recorders(all_of_them), {"metrics": metrics, "lines": lines, "recent": recent, "usage": usage, "scores": scores})


def repeated(like: Exchange, memo: dict[object, Any], exchange: Exchange) -> Repetition:
    return Repetition(like, memo, exchange.knowledge, *(getattr(exchange, name) for name in OWN))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(KINDS))),
            st.builds(
                lambda *values: dict(zip(OWN, values, strict=True)),
                st.sampled_from(IDENTIFIERS[:1]), st.sampled_from(IDENTIFIERS), st.floats(1795291200.0, 1795295000.0),
                st.sampled_from(TRACES), st.sampled_from(PATHS),
                st.sampled_from(("10.0.0.1", "10.0.0.2")), st.integers(0, 5), st.integers(0, 10**12), seconds, seconds,
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_nothing_tells_a_repetition_from_an_exchange(steps: list[tuple[int, dict[str, Any]]]) -> None:
    plain, quick, known = house(), house(), dict[int, tuple[Exchange, dict[object, Any]]]()
    for kind, own in steps:
        exchange = KINDS[kind]._replace(**own)
        if exchange.row is None and kind in known:  # what is not catalogued repeats as the very same target only
            exchange = exchange._replace(path=known[kind][0].path)
        plain.recorders.record(exchange)
        if kind in known:
            like, memo = known[kind]
            quick.recorders.repeat(repeated(like, memo, exchange))
            continue
        memo = {}
        quick.recorders.record(exchange._replace(memo=memo))
        known[kind] = likeness(exchange), memo
    assert quick.left() == plain.left()


def test_a_set_of_grants_is_told_anew_although_only_repetitions_name_it() -> None:
    lines: list[bytes] = []
    log, memo = decision_log(text=False, put=lines.append, key=Secret(b"k" * 32)), dict[object, Any]()
    recorders = Recorders({"log": log})
    recorders.record(INFORMED._replace(memo=memo))
    for later in (1.0, 899.0, 901.0, 902.0):
        recorders.repeat(repeated(likeness(INFORMED), memo, INFORMED._replace(started_at=INFORMED.started_at + later)))
    told = [line.startswith(b'{"event":"grants"') for line in lines]
    assert told == [True, False, False, False, True, False, False]


def test_durations_of_a_repetition_are_told_in_milliseconds() -> None:
    lines: list[bytes] = []
    log, memo = decision_log(text=False, put=lines.append, key=Secret(b"k" * 32)), dict[object, Any]()
    recorders = Recorders({"log": log})
    recorders.record(FORWARDED._replace(memo=memo))
    recorders.repeat(repeated(likeness(FORWARDED), memo, FORWARDED._replace(duration=1.2345678, vendor_duration=1.5)))
    assert b'"duration_ms":1234.568,"vendor_ms":1500.000,"overhead_ms":-265.432' in lines[-1]


def test_a_recorder_that_knows_no_repetitions_is_given_exchanges() -> None:
    class Old:
        def __init__(self) -> None:
            self.heard: list[Exchange] = []

        def record(self, exchange: Exchange) -> None:
            self.heard.append(exchange)

    old, memo = Old(), dict[object, Any]()
    other = FORWARDED._replace(decision_id="01JD0000000000000000000008", memo=memo)
    Recorders({"old": old}).repeat(repeated(likeness(FORWARDED), memo, other))
    assert old.heard == [other]


def test_a_recorder_that_fails_over_a_repetition_is_counted_and_harms_nobody() -> None:
    class Broken:
        def record(self, exchange: Exchange) -> None:
            raise OSError(28, "no space left")

    recent, reports = Recent(), list[str]()
    recorders = Recorders({"broken": Broken(), "recent": recent}, lambda name, _: reports.append(name))
    recorders.repeat(repeated(likeness(FORWARDED), {}, FORWARDED))
    assert (len(recent), reports, recorders.errors["broken"]) == (1, ["broken"], 1)
