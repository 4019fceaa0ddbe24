"""Decision ids."""

from __future__ import annotations

import re
from itertools import count

from proxy.protocol.identifiers import IdMaker


def random_bits(bits: int) -> int:
    return (1 << bits) - 1


def test_an_id_is_a_ulid_of_its_moment() -> None:
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", IdMaker(random_bits)(1_795_291_200.25))
    first, later = IdMaker(random_bits)(1_795_291_200.25), IdMaker(random_bits)(1_795_291_200.75)
    assert first[:10] < later[:10]
    assert IdMaker(random_bits)(0.0) == "0000000000" + "Z" * 12 + "0000"


def test_ids_rise_even_when_the_clock_steps_back() -> None:
    make = IdMaker(random_bits)
    ids = [make(moment) for moment in (5.0, 5.0, 5.001, 4.0, 0.0, 6.0)]
    assert ids == sorted(set(ids))


def test_randomness_is_drawn_anew_when_the_counter_ends() -> None:
    drawn = count()
    make = IdMaker(lambda _: next(drawn))
    ids = [make(1.0) for _ in range((1 << 20) + 2)]
    assert next(drawn) == 2
    assert len(set(ids)) == len(ids)
    assert ids[-3:] == sorted(ids[-3:])
    assert ids[-1] > ids[-3]
