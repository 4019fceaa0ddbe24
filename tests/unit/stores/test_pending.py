from __future__ import annotations

from proxy.stores.pending import GRANT, SHAPE, USAGE, Batch, Pending, Place, Value


def place(number: int, kind: str = GRANT, vendor: str = "v") -> Place:
    return Place(kind, vendor, bytes([number]))


def value(text: bytes) -> Value:
    return Value(lambda: text)


def test_only_the_newest_change_of_a_row_counts() -> None:
    pending, newest = Pending(), value(b"2")
    pending.put(place(1), value(b"1"))
    pending.put(place(1), newest)
    pending.put(place(2), value(b"x"))
    pending.put(place(2), None)
    assert pending.take() == Batch({place(1): newest, place(2): None})
    assert not pending.take()


def test_changes_that_could_not_be_written_come_before_newer_ones() -> None:
    pending, newer = Pending(), value(b"newer")
    pending.put(place(1), value(b"older"))
    pending.put(place(2), None)
    batch = pending.take()
    pending.put(place(1), newer)
    pending.give_back(batch)
    assert pending.take() == Batch({place(1): newer, place(2): None})


def test_what_is_being_written_is_not_written_yet() -> None:
    pending = Pending()
    pending.put(place(1), None)
    batch = pending.take()
    pending.put(place(2), None)
    assert len(pending) == 2
    pending.give_back(batch)
    assert len(pending) == 2
    pending.take()
    pending.done()
    assert len(pending) == 0


def test_clearing_a_vendor_ends_what_is_waiting_about_its_tokens_only() -> None:
    pending, later = Pending(), value(b"later")
    shape, other = value(b"shape"), value(b"other")
    pending.put(place(1), value(b"old"))
    pending.put(place(2, SHAPE), shape)
    pending.put(place(3, vendor="w"), other)
    pending.clear("v")
    pending.put(place(4), later)
    assert pending.take() == Batch({place(2, SHAPE): shape, place(3, vendor="w"): other, place(4): later}, {"v"})


def test_clearing_reaches_changes_that_could_not_be_written() -> None:
    pending = Pending()
    pending.put(place(1), value(b"old"))
    batch = pending.take()
    pending.clear("v")
    pending.give_back(batch)
    assert pending.take() == Batch({}, {"v"})


def test_beyond_its_bound_everything_is_given_up_and_nothing_can_come_back() -> None:
    pending, last = Pending(limit=2), value(b"last")
    pending.put(place(1), value(b"1"))
    pending.put(place(2), value(b"2"))
    pending.put(place(2), None)  # no further row
    assert len(pending) == 2
    pending.put(place(3), value(b"3"))
    pending.put(place(4), last)
    assert pending.take() == Batch({place(4): last}, wiped=True)
    assert pending.overflowed == 3


def test_a_batch_that_is_given_back_counts_towards_the_bound() -> None:
    pending = Pending(limit=2)
    for number in (1, 2):
        pending.put(place(number), None)
    batch = pending.take()
    pending.put(place(3), None)
    pending.give_back(batch)
    assert pending.take() == Batch(wiped=True)


def test_after_a_wipe_older_changes_are_not_made() -> None:
    pending = Pending()
    pending.put(place(1), value(b"1"))
    batch = pending.take()
    pending.wipe()
    pending.give_back(batch)
    assert pending.take() == Batch(wiped=True)


def test_no_two_places_have_the_same_label() -> None:
    places = [Place("a", "bc", b"d"), Place("ab", "c", b"d"), Place("a", "b", b"cd"), Place("a", "b", b"1:cd")]
    assert len({each.label() for each in places}) == len(places)


def test_evidence_outlives_a_wipe() -> None:
    pending, usage = Pending(), value(b"usage")
    pending.put(place(1), value(b"1"))
    pending.put(place(2, USAGE), usage)
    older = pending.take()
    pending.put(place(3, USAGE), usage)
    pending.wipe()
    pending.give_back(older)
    assert pending.take() == Batch({place(2, USAGE): usage, place(3, USAGE): usage}, wiped=True)


def test_beyond_the_bound_evidence_stays_unless_it_is_too_much_itself() -> None:
    pending, usage = Pending(limit=4), value(b"usage")
    for number in range(2):
        pending.put(place(number, USAGE), usage)
    for number in range(3):
        pending.put(place(number), value(b"1"))
    assert pending.take() == Batch({place(0, USAGE): usage, place(1, USAGE): usage}, wiped=True)
    assert pending.overflowed == 3
    for number in range(5):
        pending.put(place(number, USAGE), usage)
    assert pending.take() == Batch(wiped=True)
