"""The decision log: one line per request, encoded at once, written by a thread of its own.

Fields of a line, in this order (JSON; the text form shows the telling ones):

event         always "decision"
level         info | warning (the vendor could not be asked, or accepted what was predicted to fail) | error (the proxy failed)
vendor        the vendor, "none" where no mount matched         client        the internal app
mode          enforce | shadow | off                            method        the effective one
operation     the catalogue's operation id, or ""               route         its path template, or ""
decision      as in the `Scopegate-Decision` header             predicted     what the vendor was expected to do
outcome       what became of the request                        reason        why it was denied, or ""
missing       lacking scopes per alternative, shortest first    evidence      where the knowledge came from
cache         hit | miss | none                                 status        the status that was answered
answered_by   proxy | vendor                                    actual        what the vendor then really did
kind          kind of the vendor's answer                       fault         reason of a fault, or ""
policy        which of the operator's rules fell short, or ""
revision      the configuration by which was decided
ts            when the request began, ISO 8601, UTC, milliseconds
decision_id   as in the `Scopegate-Decision-Id` header          request_id    as in the `X-Request-ID` header
trace_id, span_id                      the request's place in its trace (W3C); parent_span_id: absent where the trace begins here
path          the vendor's path, never its query; cut at 256 characters (`path_cut` is then true)
request_bytes, response_bytes          sizes of the bodies
duration_ms, vendor_ms, overhead_ms    whole time, the vendor's share, the proxy's share
fingerprint   first 12 hexadecimal digits of the token's keyed hash; absent where there was no token
grants        which set of grants was known of the token (told by lines with the event "grants"); absent where nothing was known
resources     the resources that the request concerned, by keyed names; null: it did not name them; absent: it concerned none

A line holds printable ASCII only, so nothing that a caller sends can forge a line or command a terminal.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.credentials import Secret
from proxy.telemetry.exchange import Exchange, Repetition
from proxy.telemetry.grants_lines import GrantsLines
from proxy.telemetry.json_lines import JsonLines
from proxy.telemetry.text_lines import TextLines

Encoder = Callable[[Exchange], bytes]
"""Turns an exchange into one line, its newline included."""


class DecisionLog:
    """The recorder: encodes an exchange and hands the line on. `grants` tells what the lines name; None: they name nothing."""

    def __init__(self, encode: Encoder, put: Callable[[bytes], None], grants: GrantsLines | None = None) -> None:
        self._encode = encode
        self._put = put
        self._grants = grants

    def record(self, exchange: Exchange) -> None:
        """Log one exchange."""
        if self._grants is not None and exchange.knowledge is not None:
            line = self._grants.due(exchange)
            if line:
                self._put(line)
        self._put(self._encode(exchange))


class JsonLog(DecisionLog):
    """A log of JSON lines, which knows most of a line already where an exchange repeats."""

    def __init__(self, lines: JsonLines, put: Callable[[bytes], None], grants: GrantsLines | None = None) -> None:
        super().__init__(lines, put, grants)
        self._lines = lines

    def repeat(self, repetition: Repetition) -> None:
        """Log one more exchange like an earlier one."""
        line = self._lines.repeated(repetition)
        if line is None:
            self.record(repetition.exchange())
        else:
            self._put(line)


def decision_log(*, text: bool, put: Callable[[bytes], None], key: Secret) -> DecisionLog:
    """Return a log of one-liners for people, or of JSON. `key` hides the names of resources; a new one for each run will do."""
    if text:
        return DecisionLog(TextLines(), put)
    grants = GrantsLines(key)
    return JsonLog(JsonLines(grants), put, grants)
