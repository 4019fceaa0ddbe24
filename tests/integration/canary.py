"""Marked secrets, the vendors that hold them, and the search for what must never be written."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, RingCentralSimulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators import newvoicemedia as nvm
from proxy.simulators.base import Mint
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from proxy.simulators.ringcentral_accounts import User as RingCentralUser

MARK: Final = "Xq7CanaryZw9"
TAIL: Final = "+/~="
"""Characters that look different once they are percent-encoded."""


def marked(name: str) -> str:
    return f"{name}.{MARK}{TAIL}"


SECRET, PASSWORD, ASSERTION, API_KEY, CLIENT_KEY = (marked(name) for name in ("secret", "password", "jwt", "apikey", "clientkey"))
QUERY = f"note={quote(marked('query'))}"
STRAY_TOKEN = f"stray.{MARK}"


# --- the search


def traces() -> tuple[re.Pattern[bytes], ...]:
    """Patterns for the mark as it is, percent-encoded, escaped, in hexadecimal and in Base64 at every alignment; any case."""
    raw = MARK.encode()
    plain = [re.escape(MARK), "".join(f"%{byte:02x}" for byte in raw), "".join(rf"\\u00{byte:02x}" for byte in raw), raw.hex()]
    coded = [base64.b64encode(b"." * shift + raw)[4 * (shift > 0) : -4] for shift in range(3)]
    return tuple(re.compile(text.encode(), re.IGNORECASE) for text in plain) + tuple(re.compile(re.escape(text)) for text in coded)


TRACES: Final = traces()


def found_in(written: bytes) -> list[bytes]:
    return [written[max(0, match.start() - 60) : match.end() + 20] for trace in TRACES for match in trace.finditer(written)]


@dataclass
class Written:
    """Everything that was written: by name, so that a failure tells where."""

    places: dict[str, bytes] = field(default_factory=dict)

    def add(self, place: str, data: bytes) -> None:
        self.places[f"{len(self.places)} {place}"] = data

    def assert_clean(self) -> None:
        assert {place: found for place, data in self.places.items() if (found := found_in(data))} == {}


# --- vendors whose every token and secret is marked


class MarkedMint(Mint):
    """Makes tokens that can be recognised wherever they turn up. `latest` is the last access token of RingCentral."""

    latest = ""

    def opaque(self, prefix: str) -> str:
        token = f"{super().opaque(prefix)}.{MARK}"
        self.latest = token if "ACCESS" in prefix else self.latest
        return token

    def jwt(self, claims: Mapping[str, Any]) -> str:
        return f"{self.opaque('')}.{MARK}.{len(claims)}"


def marked_vendors() -> tuple[RingCentralSimulator, EightByEightSimulator, NewVoiceMediaSimulator]:
    apps = [RingCentralApp(name, SECRET, scope) for name, scope in (("reader", "ReadAccounts"), ("lister", "ReadCallLog"))]
    person = RingCentralUser("amy@example.com", PASSWORD, ASSERTION, "101001", frozenset({"FullCompanyCallLog"}))
    ringcentral = RingCentralSimulator(apps=apps, users=[person])
    users = [eight.User("reporting@example.com", PASSWORD, {"acmecorp": frozenset(), "acmewest": frozenset({"CDR"})})]
    eightbyeight = EightByEightSimulator(users=users, clients=[eight.Client("chat", SECRET, ("vcc",))], api_keys=[API_KEY])
    newvoicemedia = NewVoiceMediaSimulator(clients=[nvm.Client("app", SECRET, ("stats", "users:read"))])
    for simulator in (ringcentral, eightbyeight, newvoicemedia):
        simulator.mint.__class__ = MarkedMint  # whoever got hold of it while it was made shall mark too
    return ringcentral, eightbyeight, newvoicemedia
