"""Questions to all workers: numbered, answered within a time, by whoever answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from proxy.workers.frames import Kind, pack_number
from proxy.workers.link import Link

PATIENCE_S: Final = 2.0
"""How long an answer is waited for: an event loop that does not come to answer in that time has other troubles."""


class _Question:
    def __init__(self, asked: set[int]) -> None:
        self.open = asked
        self.answers: dict[int, bytes] = {}
        self.done = asyncio.Event()

    def settle(self, worker: int) -> None:
        self.open.discard(worker)
        if not self.open:
            self.done.set()


class Desk:
    """Asks, and sorts the answers. `unanswered` counts questions that a worker left open."""

    def __init__(self) -> None:
        self._number = 0
        self._questions: dict[int, _Question] = {}
        self.unanswered = 0

    async def ask(self, question: bytes, links: Mapping[int, Link], patience_s: float = PATIENCE_S) -> Mapping[int, bytes]:
        """Return the answers by worker; who has not answered within `patience_s` seconds is left out."""
        self._number += 1
        number, asked = self._number, _Question(set(links))
        if not links:
            return {}
        self._questions[number] = asked
        for link in links.values():
            link.tell(Kind.ASK, pack_number(number, question))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await asked.done.wait()
        finally:
            del self._questions[number]
        self.unanswered += len(asked.open)
        return asked.answers

    def answered(self, number: int, worker: int, answer: bytes) -> None:
        """Take an answer; one that comes too late is thrown away."""
        question = self._questions.get(number)
        if question is not None and worker in question.open:
            if answer:
                question.answers[worker] = answer
            question.settle(worker)

    def left(self, worker: int) -> None:
        """Wait for a worker no longer: it is gone."""
        for question in self._questions.values():
            question.settle(worker)
