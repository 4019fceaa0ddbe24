"""Apps that send requests through a load balancer, one after the other, and judge every answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import count, cycle
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from proxy.simulators.journal import Journal
from proxy.simulators.ringcentral import JWT_GRANT
from tests.fakes.client import RawClient, connect
from tests.fakes.messages import Cut, Message
from tests.fakes.waiting import eventually
from tests.integration.house import basic

APPS: Final = 4
TOKENS: Final = 6
PAUSE_S: Final = 0.015
"""What an app does between two requests: the machine is there for the processes under test."""
PATIENCE_S: Final = 60.0
"""How long anything may take here: processes start while others work, on two cores."""
ACCOUNT: Final = "/ringcentral/restapi/v1.0/account/~"
CALL_LOG: Final = f"{ACCOUNT}/call-log"
SMS: Final = f"{ACCOUNT}/extension/~/sms"
LOGIN: Final = "/ringcentral/restapi/oauth/token"
ROUND: Final = ("read", "denied", "post", "read", "denied", "read", "login", "fresh", "denied", "post")
"""What an app does, over and over. `fresh`: what the token of the login before it may not have, at once."""
_SAFE: Final = frozenset({"read", "denied", "fresh"})
RIGHT, BY_VENDOR, LOST = "right", "right, by the vendor", "lost"
KILLED: Final = "killed"
"""How phases begin in which a replica is killed. What was under way then belongs to them."""
_FORM: Final = f"grant_type={quote(JWT_GRANT)}&assertion=demo-jwt-amy".encode()


def request(method: str, target: str, authorization: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """Return the bytes of a request."""
    fields = [f"{method} {target} HTTP/1.1", "Host: scopegate.internal", f"Authorization: {authorization}"]
    fields += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*fields, "", ""]).encode() + body


class Load:
    """Some apps at work, from `start` to `stop`; `phase` names what happens meanwhile."""

    def __init__(self, port: int, journal: Journal) -> None:
        self.phase = "steady"
        self.tokens: list[str] = []
        self.results: Counter[tuple[str, str, str]] = Counter()
        self.wrong: list[str] = []
        self.answered_posts: list[int] = []
        self._port = port
        self._journal = journal
        self._numbers = count(1)
        self._stop = asyncio.Event()
        self._apps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Log in as often as there are tokens, as soon as the load balancer answers."""
        await eventually(self._log_in, PATIENCE_S)
        while len(self.tokens) < TOKENS:
            assert await self._log_in()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def _log_in(self) -> bool:
        client, answer = await self._send(None, self._request("login", "")[1])
        if client is not None:
            client.close()
        if answer is not None and answer.status == 200:
            self.tokens.append(json.loads(answer.body)["access_token"])
        return answer is not None and answer.status == 200

    def start(self) -> None:
        """Let the apps begin."""
        self._apps = [asyncio.create_task(self._work(number)) for number in range(APPS)]

    async def stop(self) -> None:
        """Let the apps finish what they are doing."""
        self._stop.set()
        await asyncio.gather(*self._apps)

    async def more(self, number: int = 60) -> None:
        """Wait until so many more requests are through."""
        wanted = self.results.total() + number

        async def enough() -> bool:
            assert not any(task.done() for task in self._apps), "an app has ended"
            return self.results.total() >= wanted

        await eventually(enough, PATIENCE_S)

    # --- an app

    async def _work(self, number: int) -> None:
        """Be one app: with one connection as long as it lasts, and one token, besides those that it logs in for."""
        client: RawClient | None = None
        token, fresh = self.tokens[number % TOKENS], ""
        for kind in cycle(ROUND):
            await asyncio.sleep(PAUSE_S)
            if self._stop.is_set():
                break
            post, data = self._request(kind, fresh if kind == "fresh" else token)
            before, (client, answer) = self.phase, await self._send(client, data)
            self._note(before if before.startswith(KILLED) else self.phase, kind, answer, post)
            if answer is not None and kind == "login" and answer.status == 200:
                fresh = json.loads(answer.body)["access_token"]
        if client is not None:
            client.close()

    async def _send(self, client: RawClient | None, data: bytes) -> tuple[RawClient | None, Message | None]:
        """Send a request once; return the connection if it lasts, and the answer if there was one."""
        try:
            client = client or await connect(self._port)
            await client.send(data)
            answer = await client.answer()
        except (OSError, EOFError, Cut):
            answer = None
        if client is not None and (answer is None or answer.get("Connection") == "close"):
            client.close()
            client = None
        return client, answer

    def _request(self, kind: str, token: str) -> tuple[int, bytes]:
        """Return the number of a message, and the bytes of a request."""
        match kind:
            case "login":
                return 0, request("POST", LOGIN, basic("reader")["Authorization"], _FORM, "application/x-www-form-urlencoded")
            case "post":
                number = next(self._numbers)
                return number, request("POST", SMS, f"Bearer {token}", json.dumps({"text": f"message {number}"}).encode())
            case "read":
                return 0, request("GET", ACCOUNT, f"Bearer {token}")
            case _:
                return 0, request("GET", CALL_LOG, f"Bearer {token}")

    def _note(self, phase: str, kind: str, answer: Message | None, post: int) -> None:
        result = judge(kind, answer)
        if result not in (RIGHT, BY_VENDOR, LOST):
            self.wrong.append(f"{phase}: {kind}: {result}")
        elif post and result == RIGHT:
            self.answered_posts.append(post)
        self.results[phase, kind, result] += 1

    # --- what became of it

    def count(self, result: str, *phases: str, safe: bool | None = None) -> int:
        """Count requests by what became of them, in some phases (none: in all), safe ones or others (None: both)."""
        return sum(
            number
            for (phase, kind, found), number in self.results.items()
            if found == result and (not phases or phase in phases) and safe in (None, kind in _SAFE)
        )

    def received_posts(self) -> Counter[int]:
        """Return how often the vendor received each message."""
        bodies = [json.loads(received.body or b"{}") for received in self._journal if received.path.endswith("/sms")]
        return Counter(int(body["text"].partition(" ")[2]) for body in bodies)

    def story(self) -> str:
        """Return what happened, a line for each phase."""
        lines = []
        for phase in dict.fromkeys(key[0] for key in self.results):
            found = {(kind, result): number for (at, kind, result), number in self.results.items() if at == phase}
            parts = [f"{number} {kind} {result}" for (kind, result), number in sorted(found.items())]
            lines.append(f"{phase}: {', '.join(parts)}")
        return "\n".join(lines)


def judge(kind: str, answer: Message | None) -> str:
    """Say what an answer is worth: right, or lost where the load balancer or nobody answered, or what is wrong with it."""
    if answer is None or not (by := answer.get("Scopegate-Answered-By")):
        return LOST if answer is None or answer.status in {502, 503, 504} else f"{answer.status} of nobody"
    if kind in ("denied", "fresh"):
        refused = answer.status == 403 and b"CMN-401" in answer.body
        return (RIGHT if by == "proxy" else BY_VENDOR) if refused else f"{answer.status} by {by}"
    return RIGHT if (answer.status, by) == (200, "vendor") else f"{answer.status} by {by}"
