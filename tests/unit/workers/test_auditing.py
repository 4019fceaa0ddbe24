"""What a worker could not hand over is told as soon as there is room."""

from __future__ import annotations

import orjson

from proxy.workers.auditing import EVENT, LOST, AuditSender


def test_events_are_handed_over_and_losses_are_told_once_when_there_is_room() -> None:
    sent: list[tuple[str, bytes]] = []
    room, now = True, 5.0

    def send(kind: str, data: bytes) -> bool:
        if room:
            sent.append((kind, data))
        return room

    sender = AuditSender(send, lambda: now)
    sender.put(b"one")
    sender.tell_losses()
    room = False
    sender.put(b"two")
    now = 7.0
    sender.put(b"three")
    sender.tell_losses()
    assert sent == [(EVENT, b"one")]
    room = True
    sender.tell_losses()
    sender.tell_losses()
    assert [(kind, orjson.loads(data)) for kind, data in sent[1:]] == [(LOST, [2, 5.0, 7.0])]
