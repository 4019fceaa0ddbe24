"""The end of an app's newest token: which token that is, and for how long it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.analysis.token_life import IN_USE_S, KEPT_S, TokenLife
from proxy.evidence.usage import UsageLedger
from proxy.grants import NEVER, Knowledge
from proxy.model import NOTHING_KNOWN, Source
from proxy.telemetry.exchange import Actual, Exchange
from proxy.telemetry.labels import KnownLabels, VendorLabels
from tests.fakes.month import DAY, Made, call
from tests.integration.house import HandClocks

APP = ("vendor", "app")
KNOWN = KnownLabels({"vendor": VendorLabels()}, frozenset({"app"}))


class Watched:
    """A token life whose clocks are moved by hand, behind the ledger that tells it of exchanges."""

    def __init__(self) -> None:
        self.clocks = HandClocks()
        self.life = TokenLife(self.clocks, KNOWN)
        self.ledger = UsageLedger(DAY)
        self.ledger.on_use = self.life.heard

    def token(self, lives: float, source: Source = Source.TOKEN_RESPONSE) -> Knowledge:
        return Knowledge(replace(NOTHING_KNOWN, complete=True), source, self.clocks.wall(), self.clocks.now() + lives)

    def use(self, token: Knowledge | None, fingerprint: str = "a", client: str = "app", actual: Actual = Actual.ACCEPTED) -> None:
        """Send one request with a token, a minute after the last one."""
        self.clocks.moved += 60
        self.ledger.record(self.exchange(token, fingerprint, client, actual))

    def exchange(self, token: Knowledge | None, fingerprint: str, client: str, actual: Actual) -> Exchange:
        return call(Made(client, token), "status", self.clocks.wall(), actual=actual)._replace(fingerprint=fingerprint)

    def told(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """Return in how many seconds tokens end and how long they live, by labels."""
        ends, lifetimes = (reading.read() for reading in self.life.readings())
        assert ends.keys() == lifetimes.keys()
        return {labels: (ends[labels] - self.clocks.wall(), lifetimes[labels]) for labels in ends}


def test_it_is_told_when_the_token_ends_and_how_long_it_lives() -> None:
    watched = Watched()
    token = watched.token(3600)
    watched.use(token)
    assert watched.told() == {APP: (3540, 3600)}
    watched.use(token)
    assert watched.told() == {APP: (3480, 3600)}


def test_a_new_login_moves_the_end() -> None:
    watched = Watched()
    watched.use(watched.token(3600), "old")
    watched.use(watched.token(3600), "new")
    assert watched.told() == {APP: (3540, 3600)}


def test_of_several_tokens_in_use_the_one_that_ends_last_counts() -> None:
    watched = Watched()
    late, early = watched.token(7200), watched.token(1800)
    for _ in range(2):
        watched.use(late, "late")
        watched.use(early, "early")
    assert watched.told()[APP][1] == 7200


def test_a_token_that_nobody_uses_any_more_gives_way_to_one_that_ends_earlier() -> None:
    watched = Watched()
    watched.use(watched.token(30 * DAY), "once")
    watched.use(watched.token(3600), "hourly")
    assert watched.told()[APP][1] == 30 * DAY
    watched.clocks.moved += IN_USE_S
    watched.use(watched.token(3600), "hourly")
    assert watched.told()[APP][1] == 3600


def test_a_token_that_has_ended_is_told_for_a_day() -> None:
    watched = Watched()
    watched.use(watched.token(3600))
    watched.clocks.moved += 3600 + KEPT_S - 120
    assert watched.told()[APP][0] < -KEPT_S + 120
    watched.clocks.moved += 120
    assert watched.told() == {}


def test_refused_requests_with_an_ended_token_keep_telling_that_it_ended() -> None:
    watched = Watched()
    watched.use(watched.token(120))
    for _ in range(3):
        watched.use(None, actual=Actual.REFUSED_OTHER)
    assert watched.told() == {APP: (-120, 120)}


@pytest.mark.parametrize("source", [Source.REFUSAL, Source.SUCCESS, Source.DISCOVERY])
def test_an_app_whose_accepted_token_has_no_known_end_is_left_out(source: Source) -> None:
    watched = Watched()
    for unknown in (None, watched.token(900, source), watched.token(NEVER)):
        watched.use(watched.token(3600), "known")
        assert watched.told()
        watched.use(unknown, "unknown")
        assert watched.told() == {}


def test_a_request_without_any_token_changes_nothing() -> None:
    watched = Watched()
    watched.use(watched.token(3600))
    watched.use(None, fingerprint="")
    assert watched.told()


def test_labels_come_from_the_configuration_only() -> None:
    watched = Watched()
    watched.use(watched.token(3600), client="made up")
    assert set(watched.told()) == {("vendor", "unknown")}
    watched.life.know(replace(KNOWN, clients=frozenset({"app", "made up"})))
    watched.use(watched.token(3600), client="made up")
    assert ("vendor", "made up") in watched.told()


def test_repeated_requests_are_heard_of_once_a_minute() -> None:
    ledger, heard, memo = UsageLedger(DAY), list[Exchange](), dict[object, object]()
    ledger.on_use = heard.append
    exchange = call(Made("app", None), "status", 1000.0)._replace(memo=memo)
    for second in range(180):
        ledger.record(exchange._replace(started_at=1000.0 + second))
    assert [each.started_at for each in heard] == [1000.0, 1060.0, 1120.0]
