"""Learns from what a gateway or a login app reports, through the very learning that traffic has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.admin.backend import Unanswerable
from proxy.admin.reporting_api import Report
from proxy.decision.closing import Closer, Result
from proxy.decision.ruling import Ruling
from proxy.errors import Fault
from proxy.protocol.headers import RequestHead, read_request
from proxy.wire.service import Service


class Reports:
    """Takes reports for the service in force; `service` is asked each time, because it may be swapped."""

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service
        self.taken = 0

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""
        return tuple(self._service().channels)

    def report(self, report: Report) -> Mapping[str, object] | Unanswerable:
        """Learn from a report; say as JSON members what the vendor did."""
        service = self._service()
        gate = service.gate.alone(report.vendor)
        assert gate is not None
        head = _head(report)
        if isinstance(head, Fault):
            return Unanswerable(head.detail)
        ruling = gate.observe(report.method, report.path.encode("ascii"), head, report.fingerprint)
        if ruling.answer is not None:
            return Unanswerable(f"the proxy would not have sent this request: {ruling.fault}")
        self.taken += 1
        return _learned(service.closer, ruling, report)


def _head(report: Report) -> RequestHead | Fault:
    fields = [(b"Host", report.vendor.encode())]
    if report.authorization is not None:
        fields.append((b"Authorization", report.authorization.reveal()))
    if report.request_type:
        fields.append((b"Content-Type", report.request_type.encode()))
    return read_request(fields, "1.1")


def _learned(closer: Closer, ruling: Ruling, report: Report) -> Mapping[str, object]:
    """Hand over only the bodies that would have been read in passing."""
    result = Result(
        report.status,
        "vendor",
        request_body=report.request_body if ruling.watch.request else None,
        response_body=report.body if closer.reads_answer(ruling, report.status) else None,
        content_type=report.content_type.encode(),
    )
    kind, actual = closer.learn(ruling, result)
    operation = None if ruling.match is None else ruling.match.operation.id
    fingerprint = None if ruling.fingerprint is None else ruling.fingerprint.hex()
    return {"operation": operation, "fingerprint": fingerprint, "response_kind": kind, "actual": actual}
