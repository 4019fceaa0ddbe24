"""Several processes' knowledge over one journal, in one process: whatever they do in which order, they come to know the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from proxy.composition.compose import Knowledge
from proxy.credentials import Fingerprinter, Secret
from proxy.grants import Knowledge as TokenKnowledge
from proxy.knowledge.learning import Moment
from proxy.model import ANYWHERE, Deny, Grants, Lack, OneOf, Operation, Source
from proxy.stores.fanout import Fanout
from proxy.vendors.facts import Ended, Issued, Lacks
from proxy.workers.attention import LearnerInTurns
from proxy.workers.journal import Journal, journal_memory
from proxy.workers.spreading import Spreading
from tests.unit.workers.test_journal import FreeLock

NOW = Moment(100.0, 1000.0)
FINGERPRINTER = Fingerprinter(Secret(b"k" * 32))
TOKENS = [Secret(f"token-{number}") for number in range(3)]


@dataclass
class Process:
    spreading: Spreading
    knowledge: Knowledge
    learner: LearnerInTurns
    journal: Journal
    losses: list[int] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)

    def known(self) -> dict[bytes, TokenKnowledge]:
        self.spreading.catch_up()
        return dict(self.knowledge.stores["acme"].items())

    def ties(self) -> dict[bytes, str]:
        return dict(self.knowledge.stores["acme"].ties())


def processes(count: int, size: int = 65536, max_tokens: int = 100) -> list[Process]:
    memory, lock = journal_memory(size), FreeLock()
    return [_process(Journal(memory, lock), max_tokens) for _ in range(count)]


def _process(journal: Journal, max_tokens: int) -> Process:
    knowledge = Knowledge({}, {})
    store, memory = knowledge.of("acme", max_tokens)
    losses: list[int] = []
    bugs: list[BaseException] = []
    spreading = Spreading(journal, [("acme", "basis")], knowledge, lambda: losses.append(1), bugs.append)
    learner = LearnerInTurns(spreading.turn, "acme", store, memory, FINGERPRINTER, lifetime=900, recheck=60)
    return Process(spreading, knowledge, learner, journal, losses, bugs)


def login(token: Secret, refresh: Secret | None = None, replaces: Secret | None = None) -> Issued:
    return Issued(token, Grants(frozenset({"read"}), complete=True), Source.TOKEN_RESPONSE, 600, "ann", refresh, replaces=replaces)


lessons = st.one_of(
    st.builds(login, st.sampled_from(TOKENS)),
    st.builds(login, st.sampled_from(TOKENS), st.sampled_from(TOKENS), st.sampled_from(TOKENS)),
    st.builds(Ended, st.sampled_from(TOKENS)),
    st.builds(Lacks, st.builds(Lack, st.sampled_from(["read", "write"])), st.booleans(), st.just("ann")),
)


@given(st.lists(st.tuples(st.integers(0, 2), lessons, st.sampled_from(TOKENS)), max_size=30))
def test_whoever_learns_what_all_know_what_one_process_would(steps: list[tuple[int, Issued | Ended | Lacks, Secret]]) -> None:
    crew, (alone,) = processes(3), processes(1)
    for number, fact, token in steps:
        for process in (crew[number], alone):
            process.learner.apply(fact, FINGERPRINTER("acme", token), NOW)
    for process in crew:
        assert process.known() == alone.known()
        assert process.ties() == alone.ties()
        assert not process.bugs


def test_a_change_outside_a_turn_counts_in_the_order_of_the_journal() -> None:
    """Somebody forgets a token without having read that another has just learned about it: it is forgotten."""
    one, two = processes(2)
    token = FINGERPRINTER("acme", TOKENS[0])
    one.learner.apply(login(TOKENS[0]), None, NOW)
    assert token in two.known()
    one.learner.apply(Lacks(Lack("read")), token, NOW)
    two.knowledge.stores["acme"].forget(token)
    assert (one.known(), two.known()) == ({}, {})


def test_an_eviction_is_not_spread_and_hides_no_revocation() -> None:
    one, two = processes(2, max_tokens=1)
    one.learner.apply(login(TOKENS[0]), None, NOW)
    two.learner.apply(login(TOKENS[1]), None, NOW)
    assert set(one.known()) == set(two.known()) == {FINGERPRINTER("acme", TOKENS[1])}
    one.learner.apply(Ended(TOKENS[1]), None, NOW)
    assert (one.known(), two.known()) == ({}, {})


def test_what_has_ended_by_itself_is_not_spread() -> None:
    one, two = processes(2)
    one.learner.apply(login(TOKENS[0]), None, NOW)
    token = FINGERPRINTER("acme", TOKENS[0])
    end = one.journal.end
    assert one.knowledge.stores["acme"].get(token, 1e9) is None
    assert one.journal.end == end
    assert token in two.known()


def test_of_several_processes_one_rechecks() -> None:
    one, two = processes(2)
    token = FINGERPRINTER("acme", TOKENS[0])
    one.learner.apply(Lacks(Lack("read"), changeable=True), token, NOW)
    two.spreading.catch_up()
    known = two.knowledge.stores["acme"].get(token, NOW.now)
    assert known is not None
    deny = Deny(Operation("acme", "read", "GET", "/", OneOf((("read",),))), (("read",),), ANYWHERE)
    later = Moment(NOW.now + 61, NOW.wall + 61)
    assert one.learner.take_recheck(known, token, deny, later)
    assert not two.learner.take_recheck(known, token, deny, later)


def test_what_a_token_says_of_itself_replaces_nothing_that_was_learned() -> None:
    one, two = processes(2)
    claim = Issued(TOKENS[0], Grants(frozenset({"read"}), complete=True), Source.TOKEN_CLAIM, 600, "ann")
    one.learner.issue(claim, NOW)
    one.learner.apply(Lacks(Lack("read")), FINGERPRINTER("acme", TOKENS[0]), NOW)
    known = two.learner.issue(claim, NOW)
    assert [record.lack.scope for record in known.lacks] == ["read"]


def test_a_newcomer_takes_over_what_is_known_and_goes_on() -> None:
    one, two = processes(2)
    one.learner.apply(login(TOKENS[0], Secret("refresh")), None, NOW)
    place, records = one.spreading.everything()
    one.learner.apply(Ended(TOKENS[0]), None, NOW)
    one.learner.apply(login(TOKENS[1]), None, NOW)
    two.spreading.begin(place, list(records))
    assert two.known() == one.known()
    assert two.ties() == one.ties()


def test_whoever_has_lost_the_journal_is_told() -> None:
    one, two = processes(2, size=2048)
    for _ in range(40):
        one.learner.apply(login(TOKENS[0]), None, NOW)
    two.spreading.catch_up()
    assert two.losses == [1]


def test_to_forget_everything_everywhere_is_heard_by_all() -> None:
    one, two = processes(2)
    one.learner.apply(login(TOKENS[0]), None, NOW)
    assert len(two.known()) == 1
    one.spreading.forget_all(everywhere=False)
    assert (len(one.known()), len(two.known())) == (0, 1)
    one.spreading.forget_all(everywhere=True)
    assert len(two.known()) == 0


def test_others_who_observe_hear_of_what_came_from_the_journal() -> None:
    """The supervisor's store must keep what workers learn."""
    one, two = processes(2)
    heard: list[bytes] = []

    class Ear:
        def __getattr__(self, name: str) -> object:
            return lambda *arguments: heard.append(arguments[0]) if name == "kept" else None

    fanout = two.knowledge.stores["acme"].observer
    assert isinstance(fanout, Fanout)
    fanout.add(Ear())  # type: ignore[arg-type]
    one.learner.apply(login(TOKENS[0]), None, NOW)
    two.spreading.catch_up()
    assert heard == [FINGERPRINTER("acme", TOKENS[0])]
