"""When a circuit opens, who may try, and when it closes again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from proxy.wire.breaker import PROBE_S, Breaker, BreakerRules, State

RULES = BreakerRules(failures=3, open_s=5.0)


@dataclass
class Hand:
    """A clock that the test moves, in seconds."""

    moved: float = 100.0

    def __call__(self) -> float:
        return self.moved


def broken(hand: Hand, rules: BreakerRules = RULES) -> Breaker:
    """Return a breaker whose circuit dials have just opened."""
    breaker = Breaker(rules, hand)
    for _ in range(rules.failures):
        breaker.dial_failed(object(), hand())
    assert breaker.state is State.OPEN
    return breaker


def test_dials_that_fail_open_the_circuit_whoever_asked() -> None:
    hand = Hand()
    breaker = Breaker(RULES, hand)
    for _ in range(2):
        breaker.dial_failed(object(), hand())
    assert (breaker.state, breaker.troubled, breaker.admit(object())) == (State.CLOSED, True, 0)
    breaker.dial_failed(object(), hand())
    assert (breaker.state, breaker.opened_count, breaker.admit(object())) == (State.OPEN, 1, 5)


def test_one_caller_without_answers_opens_nothing_and_two_do() -> None:
    hand = Hand()
    breaker = Breaker(RULES, hand)
    for _ in range(100):
        breaker.answer_failed(object(), "bad", hand())
    assert breaker.opened_count == 0
    breaker.answer_failed(object(), "good", hand())
    assert (breaker.opened_count, breaker.state) == (1, State.OPEN)


def test_two_callers_are_not_enough_without_the_number() -> None:
    breaker = Breaker(RULES, Hand())
    for caller in ("one", "two"):
        breaker.answer_failed(object(), caller, 100.0)
    assert breaker.state is State.CLOSED


def test_a_success_between_failures_starts_anew() -> None:
    hand = Hand()
    breaker = Breaker(RULES, hand)
    for _ in range(10):
        breaker.dial_failed(object(), hand())
        breaker.answer_failed(object(), hand(), hand())
        breaker.heard()
    assert (breaker.state, breaker.troubled) == (State.CLOSED, False)


def test_a_connection_is_a_success_only_where_connections_were_the_trouble() -> None:
    hand = Hand()
    breaker = broken(hand)
    breaker.dialled()
    assert (breaker.state, breaker.troubled) == (State.CLOSED, False)
    hanging = Breaker(RULES, hand)
    for caller in "abc":
        hanging.answer_failed(object(), caller, hand())
    hanging.dialled()
    assert hanging.state is State.OPEN


def test_what_began_before_the_last_success_does_not_count() -> None:
    """Time-outs of requests that were sent while the vendor hung come in when it works again."""
    hand = Hand()
    breaker = broken(hand)
    hand.moved = 110.0
    breaker.heard()
    for caller in range(10):
        breaker.answer_failed(object(), caller, 109.0)
        breaker.dial_failed(object(), 109.0)
    assert (breaker.state, breaker.troubled) == (State.CLOSED, False)
    breaker.dial_failed(object(), 110.0)
    assert breaker.troubled


def test_one_probe_at_a_time() -> None:
    hand = Hand()
    breaker = broken(hand)
    hand.moved += 4.5
    assert breaker.admit("early") == 1
    hand.moved += 0.5
    assert (breaker.state, breaker.admit("probe"), breaker.admit("other")) == (State.HALF_OPEN, 0, 1)
    breaker.heard()
    assert (breaker.state, breaker.admit("other")) == (State.CLOSED, 0)


@pytest.mark.parametrize("how", ["dial", "answer"])
def test_a_probe_that_fails_opens_the_circuit_again(how: str) -> None:
    hand = Hand()
    breaker = broken(hand)
    hand.moved += 5
    assert breaker.admit("probe") == 0
    hand.moved += 1
    breaker.dial_failed("probe", hand()) if how == "dial" else breaker.answer_failed("probe", "one", hand())
    assert (breaker.state, breaker.opened_count, breaker.admit("next")) == (State.OPEN, 2, 5)
    hand.moved += 5
    assert breaker.admit("next") == 0


def test_failures_of_others_do_not_keep_an_open_circuit_open() -> None:
    hand = Hand()
    breaker = broken(hand)
    hand.moved += 4
    breaker.dial_failed("late", hand())
    hand.moved += 1
    assert breaker.admit("probe") == 0
    breaker.answer_failed("late", "other", hand())
    assert (breaker.state, breaker.opened_count) == (State.HALF_OPEN, 1)


def test_a_probe_that_proves_nothing_leaves_its_place() -> None:
    hand = Hand()
    breaker = broken(hand)
    hand.moved += 5
    assert breaker.admit("probe") == 0
    breaker.ended("other")
    assert breaker.admit("next") == 1
    breaker.ended("probe")
    assert breaker.admit("next") == 0


def test_a_probe_that_takes_long_does_not_keep_others_back_for_ever() -> None:
    hand = Hand()
    breaker = broken(hand)
    hand.moved += 5
    assert breaker.admit("upload") == 0
    hand.moved += PROBE_S - 1
    assert breaker.admit("next") == 1
    hand.moved += 1
    assert breaker.admit("next") == 0
    breaker.dial_failed("upload", hand())
    assert breaker.state is State.HALF_OPEN


def test_it_can_be_switched_off() -> None:
    breaker = Breaker(BreakerRules(failures=0), Hand())
    for caller in range(1000):
        breaker.dial_failed(object(), 100.0)
        breaker.answer_failed(object(), caller, 100.0)
    assert (breaker.state, breaker.troubled) == (State.CLOSED, False)
