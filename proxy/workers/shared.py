"""What supervisor and workers have in common from before the first fork: configuration, listening sockets, shared memory, the lock."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, replace
from mmap import mmap
from typing import Any, Final

from proxy.app import StartError, listen_message
from proxy.composition.recording import wants_text
from proxy.credentials import Secret
from proxy.process.activation import NOTHING, Inherited
from proxy.settings import LimitSettings, Loaded
from proxy.stores.basis import knowledge_basis
from proxy.workers.board import Board
from proxy.workers.door import bind
from proxy.workers.journal import journal_memory
from proxy.workers.locks import ProcessLock

_DIVIDED: Final = ("max_connections", "max_in_flight", "max_queued", "max_idle_upstream", "max_rewrite_total_bytes")
"""Limits that hold for all workers together."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Made once, before any process is forked. `vendors`: name and basis of the knowledge, in the order of the configuration.

    `log_key`: under which all workers hide the same names in decision lines. `inherited`: sockets that somebody else holds too.
    """

    loaded: Loaded
    count: int
    listening: tuple[socket.socket, ...]
    memory: mmap
    lock: ProcessLock
    board: Board
    vendors: tuple[tuple[str, str], ...]
    log_key: Secret
    inherited: Inherited

    @property
    def port(self) -> int:
        """The port of the traffic listener."""
        number: int = self.listening[0].getsockname()[1]
        return number


def make_shared(loaded: Loaded, descriptor: int | None, inherited: Inherited = NOTHING) -> Shared:
    """Take the address and the memory; raise `StartError`. `descriptor`: where decision lines will end up."""
    settings = loaded.settings
    try:
        listening = inherited.traffic or tuple(bind(*settings.listen))
    except OSError as error:
        raise StartError(listen_message(settings, error)) from error
    known = with_log_format(loaded, descriptor)
    board, log_key = Board(settings.workers), Secret(secrets.token_bytes(32))
    return Shared(known, settings.workers, listening, journal_memory(), ProcessLock(), board, vendors_of(loaded), log_key, inherited)


def with_log_format(loaded: Loaded, descriptor: int | None) -> Loaded:
    """Decide here how decision lines look: a worker writes into a pipe and cannot see whether a terminal is at its end."""
    if descriptor is None:
        return loaded
    settings = loaded.settings
    log = settings.log.model_copy(update={"format": "text" if wants_text(settings, descriptor) else "json"})
    return replace(loaded, settings=settings.model_copy(update={"log": log}))


def vendors_of(loaded: Loaded) -> tuple[tuple[str, str], ...]:
    """Return name and basis of each vendor, in the order of the configuration."""
    vendors = loaded.settings.vendors.items()
    return tuple((name, knowledge_basis(vendor.kind, loaded.catalogs[name], vendor.grants_as_mappings())) for name, vendor in vendors)


def share_of(loaded: Loaded) -> Loaded:
    """Return the configuration of one worker: limits that hold for all together are divided, rounding up."""
    settings = loaded.settings
    return replace(loaded, settings=settings.model_copy(update={"limits": divided(settings.limits, settings.workers)}))


def divided(limits: LimitSettings, workers: int) -> LimitSettings:
    """Return the limits of one of so many workers."""
    shares: dict[str, Any] = {name: -(-getattr(limits, name) // workers) for name in _DIVIDED}
    return limits.model_copy(update=shares)
