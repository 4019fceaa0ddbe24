"""Finds out what happened to a chain whose lines do not follow each other: changed, removed, inserted, moved or cut. Pure.

Lines are compared with the last one that is certain. What does not follow it waits until a line does, or until two lines that
follow each other show how the chain goes on; then it is plain what became of the lines between.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from proxy.telemetry.chain import NO_HASH, START, Link, Tip

MAX_WAITING: Final = 1000
"""Lines that are held back until it is plain what became of them."""


class Damage(StrEnum):
    """What can be wrong with a log."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    MOVED = "moved"
    CUT = "cut"
    HEAD = "head"
    KEY = "key"


class Finding(NamedTuple):
    """One damage: where it is seen, and what it is. `first` to `last` are sequence numbers; 0 where none can be told."""

    damage: Damage
    file: str
    line: int
    first: int
    last: int
    text: str


class Seen(NamedTuple):
    """One line: where it stands, what it says of its place, and whether it is as it was when it was written."""

    file: str
    line: int
    link: Link | None
    whole: bool

    @property
    def sequence(self) -> int:
        """The number that the line bears, 0 where it bears none."""
        return self.link.sequence if self.link is not None else 0

    def follows(self, other: Seen) -> bool:
        """Say whether this line was written right after another one."""
        mine, theirs = self.link, other.link
        return (
            self.whole
            and other.whole
            and mine is not None
            and theirs is not None
            and mine.previous == theirs.hash
            and mine.sequence == theirs.sequence + 1
        )


_BEFORE_ALL: Final = Seen("", 0, Link(0, NO_HASH, NO_HASH), True)


class Walk:
    """Walks along a chain. `findings` grows as lines are seen; `began` is the first number that there is, 0 before any."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.began = 0
        self._first: Link | None = None
        self._anchor: Seen | None = None
        self._waiting: list[Seen] = []

    @property
    def tip(self) -> Tip:
        """Where the chain ends as far as it is certain."""
        return self._anchor.link.tip if self._anchor is not None and self._anchor.link is not None else START

    def see(self, seen: Seen) -> None:
        """Look at the next line."""
        anchor = self._anchor
        if anchor is None and seen.follows(_BEFORE_ALL):
            self._begin(seen)
        elif anchor is not None and seen.follows(anchor):
            if self._waiting:
                self._none_belongs(self._waiting)
                self._waiting = []
            self._anchor = seen
        else:
            self._wait(seen)

    def finish(self, head: Tip | None) -> None:
        """Look at the end. `head` is where the log had come to, where that is known."""
        ahead = [number for number, seen in enumerate(self._waiting) if self._is_ahead(seen)]
        if ahead and not (self._anchor is not None and head == self.tip):
            rest = self._waiting[ahead[-1] + 1 :]
            self._resume(self._waiting[: ahead[-1]], self._waiting[ahead[-1]])
            self._waiting = rest
        self._end(head)

    def _begin(self, seen: Seen) -> None:
        self._none_belongs(self._waiting)
        self._waiting, self._anchor, self.began, self._first = [], seen, seen.sequence, seen.link

    def _wait(self, seen: Seen) -> None:
        last = self._waiting[-1] if self._waiting else None
        if last is not None and self._is_ahead(last) and seen.follows(last):
            self._resume(self._waiting[:-1], last)
            self._waiting, self._anchor = [], seen
        elif len(self._waiting) >= MAX_WAITING:
            self._foreign()
            self._waiting = [seen]
        else:
            self._waiting.append(seen)

    def _is_ahead(self, seen: Seen) -> bool:
        return seen.whole and seen.sequence > self.tip.sequence

    # --- what became of the lines between

    def _resume(self, others: list[Seen], start: Seen) -> None:
        """The chain goes on at `start`, which does not follow the last certain line; `others` stand between them."""
        first = self._first_expected(others, start)
        if first == start.sequence:
            self._same_place(others, start)
        else:
            self._between(first, others, start)
        self._anchor = start
        if not self.began:
            self.began, self._first = first, start.link

    def _first_expected(self, others: list[Seen], start: Seen) -> int:
        """Return the number that should come next. A log may begin late (older files are gone), but not for want of these lines."""
        if self._anchor is not None:
            return self._anchor.sequence + 1
        return 1 if start.sequence - 1 <= len(others) else start.sequence

    def _same_place(self, others: list[Seen], start: Seen) -> None:
        """No number is missing, but `start` was written after another line than the one that stands there."""
        assert start.link is not None
        anchor = self._anchor
        rivals = [seen for seen in others if seen.link is not None and seen.whole and seen.link.hash == start.link.previous]
        self._none_belongs([seen for seen in others if seen not in rivals])
        if anchor is None or start.link.previous == self.tip.hash:
            return
        if rivals:
            self._add(Damage.INSERTED, anchor, 0, "this line was never written by the proxy; the next one has its place in the chain")
        else:
            text = "this line was changed and its hash made anew: the line after it was written after another one"
            self._add(Damage.CHANGED, anchor, anchor.sequence, text)

    def _between(self, first: int, others: list[Seen], start: Seen) -> None:
        placed: list[Seen] = []
        cursor = first - 1
        for seen in others:
            number = seen.sequence
            if not seen.whole and not cursor < number < start.sequence:  # what a changed line says of its place may be changed too
                number = cursor + 1
            fits = cursor < number < start.sequence
            if fits:
                cursor = number
                placed.append(seen._replace(link=Link(number, b"", b"")))
                if not seen.whole:
                    self._add(Damage.CHANGED, seen, number, "this line is not as the proxy wrote it")
            else:
                self._does_not_belong(seen)
        self._holes(first, [*placed, start])

    def _holes(self, first: int, present: list[Seen]) -> None:
        for seen in present:
            if seen.sequence > first:
                count = seen.sequence - first
                text = f"{count} line{'s' if count > 1 else ''} before this one {'are' if count > 1 else 'is'} missing"
                self.findings.append(Finding(Damage.REMOVED, seen.file, seen.line, first, seen.sequence - 1, text))
            first = seen.sequence + 1

    def _none_belongs(self, lines: list[Seen]) -> None:
        for seen in lines:
            self._does_not_belong(seen)

    def _does_not_belong(self, seen: Seen) -> None:
        if self._is_ahead(seen):
            self._add(Damage.INSERTED, seen, 0, "this line does not follow the one before: it was put here, or lines before it are missing")
        elif seen.whole:
            self._add(
                Damage.MOVED, seen, seen.sequence, "this line was written by the proxy, but at another place: it was moved or copied here"
            )
        else:
            self._add(Damage.INSERTED, seen, 0, "this line does not belong here: no line is missing in its place")

    def _foreign(self) -> None:
        first, last = self._waiting[0], self._waiting[-1]
        text = f"none of the lines {first.line} to {last.line} belongs to this chain; they were changed or put here"
        self._add(Damage.CHANGED, first, 0, text)

    def _end(self, head: Tip | None) -> None:
        """What is left belongs to no known place, except where the head says that lines must still come."""
        expected = self.tip.sequence + 1
        for seen in self._waiting:
            missing = head is not None and expected <= head.sequence
            claims = seen.sequence == expected and head != self.tip
            if not seen.whole and (missing or claims):
                self._add(Damage.CHANGED, seen, expected, "this line is not as the proxy wrote it")
                expected += 1
            else:
                self._does_not_belong(seen)
        self._waiting = []
        if head is not None:
            self._compare(head, expected)
            self._compare_first(head)

    def _compare(self, head: Tip, expected: int) -> None:
        last = self._anchor or _BEFORE_ALL
        if head.sequence >= expected:
            text = "the end is missing: the head file says that more lines were written"
            self._add(Damage.CUT, last, expected, text, head.sequence)
        elif head.sequence == self.tip.sequence and head.hash != self.tip.hash:
            text = "the last line is another one than the head file names: it was changed and its hash made anew"
            self._add(Damage.CHANGED, last, last.sequence, text)

    def _compare_first(self, head: Tip) -> None:
        """The head is always written before a new file begins, so it names a line that is here, or the one right before."""
        first = self._first
        if first is None or head.sequence >= self.began or (head.sequence + 1 == first.sequence and head.hash == first.previous):
            return
        if self.began > 1:
            text = f"the head file says that the log had come to number {head.sequence}, so this is another log or lines are missing"
            self._add(Damage.REMOVED, self._anchor or _BEFORE_ALL, head.sequence + 1, text, self.began - 1)

    def _add(self, damage: Damage, seen: Seen, first: int, text: str, last: int = 0) -> None:
        self.findings.append(Finding(damage, seen.file, seen.line, first, last or first, text))
