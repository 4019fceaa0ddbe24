from __future__ import annotations

import pytest

from proxy.telemetry.recent import Filter, Recent
from tests.unit.telemetry.support import BAD_REQUEST, DENIED, FORWARDED


def test_the_oldest_goes_first_and_the_newest_is_listed_first() -> None:
    recent = Recent(size=3)
    for number in range(5):
        recent.record(FORWARDED._replace(decision_id=str(number)))
    assert [exchange.decision_id for exchange in recent.find()] == ["4", "3", "2"]
    assert len(recent) == 3
    assert recent.get("1") is None
    assert recent.get("2") == FORWARDED._replace(decision_id="2")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), [BAD_REQUEST, DENIED, FORWARDED]),
        (Filter(vendor="ringcentral"), [DENIED, FORWARDED]),
        (Filter(client="anonymous"), [BAD_REQUEST]),
        (Filter(operation="readCompanyCallLog", outcome="denied"), [DENIED]),
        (Filter(decision="permit"), [FORWARDED]),
        (Filter(reason="missing_scope"), [DENIED]),
        (Filter(vendor="8x8"), []),
    ],
)
def test_filters(wanted: Filter, found: list[object]) -> None:
    recent = Recent()
    for exchange in (FORWARDED, DENIED, BAD_REQUEST):
        recent.record(exchange)
    assert list(recent.find(wanted)) == found


def test_the_limit_counts_matches() -> None:
    recent = Recent()
    for exchange in (DENIED, FORWARDED, DENIED, FORWARDED):
        recent.record(exchange)
    assert recent.find(Filter(outcome="denied"), limit=1) == (DENIED,)
