"""Laws of the circuit breaker: it never locks anybody out for good, and lets one try at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.breaker import PROBE_S, Breaker, BreakerRules, State

TICKETS = ("a", "b", "c")
events = st.lists(
    st.tuples(
        st.sampled_from(("wait", "admit", "heard", "dialled", "dial_failed", "answer_failed", "ended")),
        st.sampled_from(TICKETS),
        st.integers(0, 9),
    ),
    max_size=60,
)
rules = st.builds(BreakerRules, st.integers(0, 4), st.sampled_from((1.0, 5.0)))


class Story:
    """A breaker, its clock, and what happened to it."""

    def __init__(self, rules: BreakerRules) -> None:
        self.moved = 0.0
        self.rules = rules
        self.breaker = Breaker(rules, lambda: self.moved)

    def tell(self, event: str, ticket: str, number: int) -> None:
        match event:
            case "wait":
                self.moved += number
            case "admit":
                self.breaker.admit(ticket)
            case "heard":
                self.breaker.heard()
            case "dialled":
                self.breaker.dialled()
            case "dial_failed":
                self.breaker.dial_failed(ticket, self.moved - number)
            case "answer_failed":
                self.breaker.answer_failed(ticket, number % 3, self.moved - number)
            case _:
                self.breaker.ended(ticket)


@given(rules, events)
def test_whatever_happened_somebody_may_try_in_time(rules: BreakerRules, happened: list[tuple[str, str, int]]) -> None:
    story = Story(rules)
    for event in happened:
        story.tell(*event)
    story.moved += max(PROBE_S, rules.open_s)
    assert story.breaker.admit("next") == 0


@given(rules, events)
def test_a_closed_circuit_lets_everybody_pass_and_an_open_one_at_most_one(
    rules: BreakerRules, happened: list[tuple[str, str, int]]
) -> None:
    story = Story(rules)
    for event in happened:
        story.tell(*event)
        state = story.breaker.state
        assert state is State.CLOSED or story.breaker.troubled
        if event[0] == "heard":
            assert (state, story.breaker.troubled) == (State.CLOSED, False)
    admitted = [story.breaker.admit(object()) for _ in range(3)]
    if story.breaker.state is State.CLOSED:
        assert admitted == [0, 0, 0]
    else:
        assert admitted.count(0) <= 1
