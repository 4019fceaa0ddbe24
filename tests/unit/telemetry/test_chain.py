"""The chain itself, and the telling cases of damage; the laws are in tests/properties."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from proxy.telemetry import chain
from proxy.telemetry.chain import START, Chain, Tip, read_head, read_link, write_head
from proxy.telemetry.chain_check import MAX_WAITING
from tests.unit.telemetry.chains import KEY, chained, event, head_of, told, walked

PLAIN = Chain()
KEYED = Chain(KEY)


def test_a_line_is_the_event_with_its_place_in_the_chain() -> None:
    line, tip = PLAIN.link(event(7), Tip(41, b"a" * 64))
    told_of = json.loads(line)
    assert told_of["event"] == 7
    assert told_of["unmapped"] == {"a": 1, "chain": {"sequence": 42, "previous": "a" * 64, "hash": tip.hash.decode()}}
    assert read_link(line) == (42, b"a" * 64, tip.hash)


def test_anybody_can_check_a_line_with_a_plain_tool() -> None:
    line, tip = PLAIN.link(event(7), START)
    assert hashlib.sha256(line.split(b',"hash":')[0]).hexdigest().encode() == tip.hash
    line, tip = KEYED.link(event(7), START)
    assert hmac.new(KEY.reveal(), line.split(b',"hash":')[0], "sha256").hexdigest().encode() == tip.hash


def test_keys_are_told_apart_without_being_told() -> None:
    assert (PLAIN.algorithm, PLAIN.key_id) == (chain.PLAIN, "")
    assert KEYED.algorithm == chain.KEYED
    assert len(KEYED.key_id) == 16
    assert KEY.reveal().hex()[:16] != KEYED.key_id


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", chained(1, PLAIN)[0][:-1], b"x" + chained(1, PLAIN)[0], chained(1, PLAIN)[0] + b"\n"]
)
def test_what_is_no_line_has_no_place(line: bytes) -> None:
    assert read_link(line) is None


def test_a_head_is_always_as_long_and_is_proved_by_the_key() -> None:
    contents = [write_head(links, tip) for links in (PLAIN, KEYED) for tip in (START, Tip(10**17, b"f" * 64))]
    assert len({len(content) for content in contents}) == 1
    head = read_head(write_head(KEYED, Tip(9, b"f" * 64)))
    assert head is not None
    assert head.tip == Tip(9, b"f" * 64)
    assert head.holds(KEYED)
    assert not head.holds(PLAIN)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"sequence":"x"}', b"\xff", b'{"sequence":1,"hash":2,"algorithm":"","mac":""}'])
def test_what_is_no_head_is_none(data: bytes) -> None:
    assert read_head(data) is None


LOG = chained(9, PLAIN)
HEAD = head_of(LOG)


def test_a_whole_log_is_whole() -> None:
    assert told(LOG, PLAIN, HEAD) == []
    assert told(LOG, PLAIN, None) == []
    assert told(LOG, PLAIN, Tip(4, head_of(LOG[:4]).hash)) == []  # the head may lag behind
    assert told([], PLAIN, START) == []


def test_each_kind_of_damage_is_named() -> None:
    changed = LOG[4].replace(b'"event":4', b'"event":5')
    assert told([*LOG[:4], changed, *LOG[5:]], PLAIN, HEAD) == [("changed", 5, 5, 5)]
    assert told([*LOG[:4], *LOG[5:]], PLAIN, HEAD) == [("removed", 5, 5, 5)]
    assert told([*LOG[:3], *LOG[6:]], PLAIN, HEAD) == [("removed", 4, 4, 6)]
    assert told([*LOG[:4], b"{}\n", *LOG[4:]], PLAIN, HEAD) == [("inserted", 5, 0, 0)]
    assert told([*LOG[:4], LOG[1], *LOG[4:]], PLAIN, HEAD) == [("moved", 5, 2, 2)]
    assert told(LOG[:6], PLAIN, HEAD) == [("cut", 6, 7, 9)]
    assert told([], PLAIN, HEAD) == [("cut", 0, 1, 9)]
    assert told([*LOG[:8], b"garbage\n"], PLAIN, HEAD) == [("changed", 9, 9, 9)]
    assert told([*LOG, b"garbage\n"], PLAIN, HEAD) == [("inserted", 10, 0, 0)]


def test_several_damages_are_told_apart() -> None:
    lines = [*LOG[:2], b"x\n", LOG[3], b"x\n", *LOG[5:]]
    assert told(lines, PLAIN, HEAD) == [("changed", 3, 3, 3), ("changed", 5, 5, 5)]
    assert told([*LOG[:2], b"x\n", *LOG[4:]], PLAIN, HEAD) == [("changed", 3, 3, 3), ("removed", 4, 4, 4)]


def test_a_line_forged_with_its_hash_is_found_by_the_next_one() -> None:
    forged, _ = PLAIN.link(event(99), head_of(LOG[:4]))
    assert told([*LOG[:4], forged, *LOG[5:]], PLAIN, HEAD) == [("changed", 5, 5, 5)]
    assert told([*LOG[:8], forged], PLAIN, HEAD)
    assert told([*LOG[:4], forged, *LOG[4:]], PLAIN, HEAD) == [("inserted", 5, 0, 0)]


def test_a_chain_made_anew_is_found_by_its_head_or_its_key() -> None:
    """Whoever changes all that follows, and the head too, is found by the key alone."""
    forged = chained(9, PLAIN, Tip(0, b"0" * 63 + b"1"))
    assert told(forged, PLAIN, HEAD)
    log = chained(9, KEYED)
    rest = chained(5, Chain(), head_of(log[:4]))
    assert [found[0] for found in told([*log[:4], *rest], KEYED, head_of(rest))] == ["changed"] * 5


def test_a_log_may_begin_late() -> None:
    walk = walked(LOG[3:], PLAIN, HEAD)
    assert (walk.findings, walk.began) == ([], 4)
    assert walked(LOG[8:], PLAIN, HEAD).began == 9


def test_a_file_of_garbage_costs_no_memory_and_few_words() -> None:
    walk = walked((b"garbage\n" for _ in range(3 * MAX_WAITING)), PLAIN, START)
    assert 0 < len(walk.findings) <= MAX_WAITING + 3
