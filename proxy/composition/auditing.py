"""From the setting `audit` to a writer of the audit log; without it there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.admin.backend import Readiness
from proxy.decision.gate import Clocks
from proxy.settings import Loaded

if TYPE_CHECKING:
    from proxy.telemetry.audit_writer import AuditWriter
    from proxy.telemetry.ocsf import AuditLog


def make_writer(loaded: Loaded, clocks: Clocks) -> AuditWriter | None:
    """Return the writer that a configuration asks for, not started; None where it asks for none."""
    audit = loaded.settings.audit
    if audit is None:
        return None
    from proxy.telemetry.audit_files import FileOptions, Sync  # noqa: PLC0415 - for whoever keeps an audit log
    from proxy.telemetry.audit_writer import AuditWriter, WriterOptions  # noqa: PLC0415
    from proxy.telemetry.chain import Chain  # noqa: PLC0415

    files = FileOptions(audit.path, audit.max_bytes, audit.keep_files, Sync(audit.fsync))
    options = WriterOptions(max_events=audit.max_queued, sync_interval_s=audit.fsync_interval_s)
    return AuditWriter(files, Chain(audit.key[-1] if audit.key is not None else None), clocks.wall, options)


def make_recorder(put: Callable[[bytes], None], loaded: Loaded) -> AuditLog:
    """Return the recorder that makes events and hands them to `put`."""
    from proxy.telemetry.ocsf import AuditLog  # noqa: PLC0415 - for whoever keeps an audit log

    assert loaded.settings.audit is not None
    return AuditLog(put, subjects=loaded.settings.audit.subjects)


def audit_readiness(writer: AuditWriter) -> Readiness:
    """Return the state of the audit log: its trouble is none of the traffic's, so it is degraded, never unready."""
    if not writer.trouble:
        return Readiness(True)
    return Readiness(True, f"events wait until the audit log can be written again: {writer.trouble}", degraded=True)
