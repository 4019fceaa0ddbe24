"""Every RingCentral operation under every scope set worth telling apart, through the gate alone: no socket, the whole cross product."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from random import Random
from urllib.parse import urlencode

import pytest

from proxy.composition.compose import Knowledge, Parts, build_service
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.closing import Result
from proxy.decision.gate import Gate
from proxy.protocol.headers import RequestHead, read_request
from proxy.protocol.identifiers import IdMaker
from proxy.wire.service import Service
from tests.integration.house import HandClocks, configuration
from tests.integration.vendors import oracle

SCOPES = oracle.ringcentral_scopes()
EVERY = frozenset(SCOPES)


def scope_sets() -> Iterator[frozenset[str]]:
    """Each scope alone, all but each, each old name alone and beside what it does not mean, all."""
    yield EVERY
    for scope in SCOPES:
        yield frozenset({scope})
        yield EVERY - {scope}
    for other_name, name in oracle.ALIASES.items():
        yield frozenset({other_name})
        yield EVERY - {name, other_name}
        yield EVERY - {name} | {other_name}


def head(*fields: tuple[bytes, bytes]) -> RequestHead:
    read = read_request([(b"Host", b"proxy.example"), *fields], "1.1")
    assert isinstance(read, RequestHead)
    return read


class Session:
    """One service without sockets, and tokens that it saw being issued."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.gate: Gate = service.gate
        self._count = 0

    def log_in(self, scopes: frozenset[str]) -> RequestHead:
        """Let a login pass; return the head of the requests with its token."""
        self._count += 1
        token = f"token-{self._count}"
        ruling = self.gate.open("POST", b"/ringcentral/restapi/oauth/token", head((b"Content-Type", b"application/x-www-form-urlencoded")))
        answer = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "scope": " ".join(sorted(scopes))}
        bodies = {"request_body": urlencode({"grant_type": "password"}).encode(), "response_body": json.dumps(answer).encode()}
        self._service.closer.close(ruling, Result(200, "vendor", **bodies))  # type: ignore[arg-type]
        return head((b"Authorization", b"bearer " + token.encode()))

    def verdicts(self, asking: RequestHead) -> list[tuple[str, bool]]:
        """Return the decision about every operation, and whether it was answered here."""
        rulings = (self.gate.open(row.method, b"/ringcentral" + row.path.encode(), asking) for row in oracle.ringcentral())
        return [(ruling.decision.value, ruling.answer is not None) for ruling in rulings]


def service_for(implied: str, bugs: list[BaseException]) -> Service:
    settings = {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "upstream": "http://127.0.0.1:1", "implied_scopes": implied}
    parts = Parts(
        asyncio.get_running_loop(),
        HandClocks(),
        Fingerprinter(Secret(b"key")),
        IdMaker(Random(1).getrandbits),
        Knowledge({}, {}),
        lambda _: None,
        bugs.append,
    )
    return build_service(configuration([], {"ringcentral": settings}, {}), parts)


@pytest.mark.parametrize("implied", ["presume", "ignore"])
async def test_every_ringcentral_operation_under_every_scope_set(implied: str) -> None:
    bugs: list[BaseException] = []
    session = Session(service_for(implied, bugs))
    wrong = []
    for scopes in scope_sets():
        held = oracle.with_included(scopes) if implied == "presume" else oracle.canonical(scopes)
        asking = session.log_in(scopes)
        for row, (decision, answered_here) in zip(oracle.ringcentral(), session.verdicts(asking), strict=True):
            expected = row.verdict(held)
            if (decision, answered_here) != (expected, expected == "deny"):
                wrong.append((sorted(scopes)[:3], row.method, row.template, decision, expected))
    assert wrong == []
    assert bugs == []
