"""Decision ids: ULIDs (sortable, 26 characters of Crockford base 32). Pure: time and randomness are passed in.

Within one process ids rise: the random part is a counter that starts anew from fresh randomness every 1,048,576 ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_COUNTER_END: Final = 1 << 20


def _base32(value: int, length: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(5 * (length - 1), -1, -5))


class IdMaker:
    """Makes decision ids. `random_bits(n)` returns n random bits as an integer."""

    __slots__ = ("_counter", "_high", "_milliseconds", "_prefix", "_random", "_random_bits", "_second")

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self._random_bits = random_bits
        self._milliseconds = -1
        self._second = -1
        self._high = ""
        """The digits that say which 1,024 milliseconds it is."""
        self._prefix = ""
        self._random = ""
        self._counter = _COUNTER_END

    def __call__(self, wall: float) -> str:
        """Return a new id for `wall` seconds since the epoch; a clock that steps back does not make ids fall."""
        milliseconds = int(wall * 1000)
        counter = self._counter
        if milliseconds > self._milliseconds or counter == _COUNTER_END:
            counter = self._begin(max(milliseconds, self._milliseconds), counter)
        self._counter = counter + 1
        return self._prefix + _PAIRS[counter >> 10] + _PAIRS[counter & 1023]

    def _begin(self, milliseconds: int, counter: int) -> int:
        if counter == _COUNTER_END:
            self._random, counter = _base32(self._random_bits(60), 12), 0
            milliseconds = max(milliseconds, self._milliseconds + 1)
        self._milliseconds = milliseconds
        value = milliseconds & ((1 << 48) - 1)
        if value >> 10 != self._second:
            self._second = value >> 10
            self._high = f"{_PAIRS[value >> 40]}{_PAIRS[value >> 30 & 1023]}{_PAIRS[value >> 20 & 1023]}{_PAIRS[value >> 10 & 1023]}"
        self._prefix = self._high + _PAIRS[value & 1023] + self._random
        return counter
