"""Runs the tour: sends each request, compares the answer with the promised one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import ClientSession
from yarl import URL

from proxy.cli.demo_world import World
from proxy.cli.tour_steps import Promise, Request, Step

ANSWERED_BY: Final = "Scopegate-Answered-By"
DECISION: Final = "Scopegate-Decision"
DECISION_ID: Final = "Scopegate-Decision-Id"

_TOKEN: Final = re.compile(r'"access_token"\s*:\s*"([^"]*)"')
_SECRET_MEMBER: Final = re.compile(r'("(?:access|refresh)_token"\s*:\s*")[^"]*')
_BLANKS: Final = re.compile(r"\s+")
_SHOWN: Final = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` holds tokens; show `short_body`."""

    status: int
    answered_by: str
    decision: str
    decision_id: str
    vendor_asked: bool
    body: str = field(repr=False)

    def short_body(self, show: str) -> tuple[str, ...]:
        """Return the lines that match `show`; without it the body on one line, shortened, tokens masked."""
        if show:
            return tuple(line for line in self.body.splitlines() if re.search(show, line))
        text = _BLANKS.sub(" ", _SECRET_MEMBER.sub(r"\1***", self.body)).strip()
        return (_shortened(text), *self._explanation())

    def _explanation(self) -> Iterator[str]:
        """What a denial says beyond the vendor's own body: the part worth reading."""
        told = json.loads(self.body).get("scopegate") if self.decision == "deny" else None
        if told:
            yield f"scopegate.explanation: {told['explanation']}"
            yield f"scopegate.remediation, 1 of {len(told['remediation'])}: {_shortened(told['remediation'][0])}"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."


@dataclass(frozen=True, slots=True)
class Result:
    """A step and what became of it; `broken` says in words which promises were not kept."""

    number: int
    step: Step
    answer: Answer
    broken: tuple[str, ...]


async def run_steps(world: World, steps: Iterable[Step]) -> AsyncIterator[Result]:
    """Send the requests one by one; yield each result."""
    tokens: dict[str, str] = {}
    async with ClientSession() as session:
        for number, step in enumerate(steps, 1):
            answer = await _send(session, world, step.request, tokens)
            yield Result(number, step, answer, tuple(broken_promises(step.promise, answer)))


async def _send(session: ClientSession, world: World, request: Request, tokens: dict[str, str]) -> Answer:
    url = URL((world.admin_url if request.admin else world.base_url) + request.path, encoded=True)
    before = world.vendor_requests
    headers = _headers(request, tokens)
    async with session.request(request.method, url, headers=headers, data=dict(request.form) or None) as response:
        body = await response.text()
        told = response.headers
    if request.keep_as:
        tokens[request.keep_as] = _token(body)
    answered_by, decision, decision_id = (told.get(name, "") for name in (ANSWERED_BY, DECISION, DECISION_ID))
    return Answer(response.status, answered_by, decision, decision_id, world.vendor_requests > before, body)


def _headers(request: Request, tokens: Mapping[str, str]) -> dict[str, str]:
    headers = dict(request.headers)
    if request.bearer:
        headers["Authorization"] = f"Bearer {tokens[request.bearer]}"
    if request.basic:
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(request.basic).encode()).decode()}"
    return headers


def _token(body: str) -> str:
    found = _TOKEN.search(body)
    return found[1] if found else "none"


def broken_promises(promise: Promise, answer: Answer) -> Iterator[str]:
    """Say what is not as promised."""
    if answer.status != promise.status:
        yield f"status {answer.status} instead of {promise.status}"
    if answer.answered_by != promise.answered_by:
        yield f"answered by {answer.answered_by or 'nobody'} instead of {promise.answered_by or 'nobody'}"
    if answer.decision != promise.decision:
        yield f"decision {answer.decision or 'none'} instead of {promise.decision or 'none'}"
    if promise.answered_by and not answer.decision_id:
        yield "no decision id"
    if answer.vendor_asked != promise.vendor_asked:
        yield "a vendor was contacted" if answer.vendor_asked else "no vendor was contacted"
    yield from (f"the body lacks {text}" for text in promise.holds if text not in answer.body)
