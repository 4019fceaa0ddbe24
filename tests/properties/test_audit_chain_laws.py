"""Whatever happens to one place of an audit log is found, and its line is named."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.telemetry.chain import Chain, Tip, read_link
from tests.unit.telemetry.chains import KEY, chained, findings, head_of, told, walked

CHAINS = st.sampled_from([Chain(), Chain(KEY)])
COUNTS = st.integers(2, 12)
PLACES = st.integers(0, 11)
JUNK = st.one_of(
    st.binary(max_size=80).filter(lambda data: b"\n" not in data).map(lambda data: data + b"\n"),
    st.builds(lambda sequence, links: links.link(b'{"unmapped":{"a":1}}', Tip(sequence, b"e" * 64))[0], st.integers(0, 20), CHAINS),
)


@given(CHAINS, COUNTS, st.integers(0, 12))
def test_an_untouched_log_is_whole_wherever_the_head_had_come_to(links: Chain, count: int, behind: int) -> None:
    lines = chained(count, links)
    assert told(lines, links, head_of(lines[: max(0, count - behind)])) == []


@given(CHAINS, COUNTS, PLACES, st.data())
def test_a_changed_line_is_named(links: Chain, count: int, place: int, data: st.DataObject) -> None:
    assume(place < count)
    lines = chained(count, links)
    position = data.draw(st.integers(0, len(lines[place]) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value not in {lines[place][position], 10}))
    changed = lines[place][:position] + bytes([byte]) + lines[place][position + 1 :]
    assert told([*lines[:place], changed, *lines[place + 1 :]], links, head_of(lines)) == [("changed", place + 1, place + 1, place + 1)]


@given(COUNTS, PLACES)
def test_a_line_changed_together_with_its_hash_is_named(count: int, place: int) -> None:
    assume(place < count)
    links = Chain()
    lines = chained(count, links)
    forged, _ = links.link(b'{"forged":1,"unmapped":{"a":1}}', head_of(lines[:place]))
    found = told([*lines[:place], forged, *lines[place + 1 :]], links, head_of(lines))
    assert found == [("changed", place + 1, place + 1, place + 1)]


@given(CHAINS, COUNTS, PLACES, st.integers(1, 5))
def test_removed_lines_are_named(links: Chain, count: int, place: int, length: int) -> None:
    assume(place + length < count)
    lines = chained(count, links)
    walk = walked([*lines[:place], *lines[place + length :]], links, head_of(lines))
    if place == 0:  # as where older files are gone; whoever has the files knows whether they may be
        assert walk.began == length + 1
    else:
        assert [(found.damage, found.line, found.first, found.last) for found in walk.findings] == [
            ("removed", place + 1, place + 1, place + length)
        ]


@given(CHAINS, COUNTS, st.integers(1, 12))
def test_a_cut_end_is_named(links: Chain, count: int, length: int) -> None:
    assume(length <= count)
    lines = chained(count, links)
    assert told(lines[:-length], links, head_of(lines)) == [("cut", count - length, count - length + 1, count)]


@given(CHAINS, COUNTS, st.integers(0, 12), JUNK)
def test_an_inserted_line_is_named(links: Chain, count: int, place: int, junk: bytes) -> None:
    assume(place <= count)
    lines = chained(count, links)
    found = findings([*lines[:place], junk, *lines[place:]], links, head_of(lines))
    assert place + 1 in {one.line for one in found}
    assert {one.damage for one in found} <= {"inserted", "moved"}


@given(CHAINS, COUNTS, PLACES, st.integers(0, 12))
def test_a_copied_line_is_named(links: Chain, count: int, source: int, place: int) -> None:
    assume(source < count)
    assume(place <= count)
    assume(place not in {source, source + 1})
    lines = chained(count, links)
    found = findings([*lines[:place], lines[source], *lines[place:]], links, head_of(lines))
    assert place + 1 in {one.line for one in found}


@given(CHAINS, st.lists(st.integers(0, 11), unique=True, min_size=2, max_size=12).map(lambda order: (len(order), order)))
def test_lines_in_another_order_are_found(links: Chain, drawn: tuple[int, list[int]]) -> None:
    count, order = drawn
    ranks = [sorted(order).index(number) for number in order]
    assume(ranks != list(range(count)))
    lines = chained(count, links)
    assert findings([lines[rank] for rank in ranks], links, head_of(lines))


@given(CHAINS, st.lists(st.one_of(st.integers(0, 7), JUNK), max_size=12))
def test_whatever_is_given_only_the_log_itself_is_whole(links: Chain, recipe: list[int | bytes]) -> None:
    lines = chained(8, links)
    given_lines = [lines[item] if isinstance(item, int) else item for item in recipe]
    walk = walked(given_lines, links, head_of(lines))
    whole = given_lines == lines[max(0, walk.began - 1) :] and walk.began > 0
    assert (walk.findings == []) == whole


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_fail(data: bytes) -> None:
    read_link(data)
