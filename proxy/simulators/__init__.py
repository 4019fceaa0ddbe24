"""The three vendors as small servers that log in, serve and refuse as the real ones document it.

Read `messages` (a request and an answer as values), `routes` and `journal`, then `base` (the plumbing), then a vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.simulators.base import Simulator
from proxy.simulators.eightbyeight import EightByEightSimulator
from proxy.simulators.journal import Journal, Received
from proxy.simulators.messages import Reply
from proxy.simulators.newvoicemedia import NewVoiceMediaSimulator
from proxy.simulators.ringcentral import RingCentralSimulator
from proxy.simulators.routes import Document, load_document, read_document

SIMULATORS: Final[Mapping[str, type[Simulator]]] = {
    RingCentralSimulator.vendor: RingCentralSimulator,
    EightByEightSimulator.vendor: EightByEightSimulator,
    NewVoiceMediaSimulator.vendor: NewVoiceMediaSimulator,
}


def make_simulator(vendor: str, **options: Any) -> Simulator:
    """Make the simulator of a vendor with its demo accounts; KeyError for a vendor there is none of."""
    return SIMULATORS[vendor](**options)


def describe(vendor: str, base_url: str) -> str:
    """The ready-made accounts of a vendor's simulator, with sample `curl` lines against `base_url`."""
    return make_simulator(vendor, document=Document()).describe(base_url)


__all__ = [
    "SIMULATORS",
    "Document",
    "EightByEightSimulator",
    "Journal",
    "NewVoiceMediaSimulator",
    "Received",
    "Reply",
    "RingCentralSimulator",
    "Simulator",
    "describe",
    "load_document",
    "make_simulator",
    "read_document",
]
