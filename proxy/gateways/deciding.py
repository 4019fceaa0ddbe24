"""Decides what a gateway asks, as traffic is decided: through the gate, and recorded like every other request. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy import errors
from proxy.decision.closing import Closer, Result
from proxy.decision.gate import Gate
from proxy.decision.ruling import LocalAnswer, Ruling
from proxy.errors import Fault
from proxy.gateways.reading import Endpoint, Told
from proxy.identity.clients import Peer
from proxy.protocol.headers import read_request

ALLOW: Final = 200
"""The one status that lets a request through at all four gateways."""
MAX_DENIALS: Final = 1024
"""Denials whose answers wait for nginx to come back for them."""
_NGINX_DENIES: Final = 403
GATEWAY: Final = "gateway"
"""Who answers a request that was let through: neither this proxy nor, as far as it knows, the vendor."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """What is needed to decide: the gate and who records, of the service in force, and a clock of exact seconds."""

    gate: Gate
    closer: Closer
    now: Callable[[], float]


class Denials:
    """The answers of denials that nginx could not pass on; each is taken once, and the oldest are given up."""

    def __init__(self, most: int = MAX_DENIALS) -> None:
        self._answers: OrderedDict[str, LocalAnswer] = OrderedDict()
        self._most = most

    def keep(self, ruling: Ruling, answer: LocalAnswer) -> None:
        """Keep an answer under the id of its decision."""
        self._answers[ruling.decision_id] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def take(self, decision_id: str) -> LocalAnswer | None:
        """Return the answer of a decision, once."""
        return self._answers.pop(decision_id, None)


def decide(by: Deciding, endpoint: Endpoint, told: Told, peer: Peer, denials: Denials) -> LocalAnswer:
    """Return what the gateway is answered: exactly 200 lets through, everything else does not."""
    if endpoint.explains:
        return denials.take(told.denial) or _explained(by, told, peer)
    ruling, answer = _ruled(by, told, peer)
    if answer is None:
        return LocalAnswer(ALLOW, ruling.stamp(b"proxy"), b"")
    if endpoint.family == b"nginx" and answer.status < 500:
        denials.keep(ruling, answer)
        return LocalAnswer(_NGINX_DENIES, ruling.stamp(b"proxy"), b"")
    return answer


def _explained(by: Deciding, told: Told, peer: Peer) -> LocalAnswer:
    """Decide again, where the answer of the first decision is not kept any more; by now the request may be allowed."""
    _, answer = _ruled(by, told, peer)
    if answer is not None:
        return answer
    again = by.gate.reject(errors.GATEWAY_AGAIN, told.method, peer).answer
    assert again is not None
    return again


def _ruled(by: Deciding, told: Told, peer: Peer) -> tuple[Ruling, LocalAnswer | None]:
    """Rule on a request and record it. What becomes of one that is let through is not seen."""
    begun = by.now()
    head = read_request(told.fields, told.version)
    ruling = by.gate.reject(head, told.method, peer) if isinstance(head, Fault) else by.gate.open(told.method, told.target, head, peer)
    answer = ruling.answer
    answered_by = GATEWAY if answer is None else "proxy"
    status, sent = (ALLOW, 0) if answer is None else (answer.status, len(answer.body))
    by.closer.close(ruling, Result(status, answered_by, response_bytes=sent, duration=by.now() - begun))
    return ruling, answer
