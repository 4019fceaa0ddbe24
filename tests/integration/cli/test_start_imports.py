"""What a start imports: counted, not timed, so that it holds on a busy machine too. Every module costs time and memory."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import trustme

from tests.integration.cli.conftest import WriteConfiguration
from tests.integration.cli.processes import serving

TELLING = (sys.executable, "-c", "import sys; from proxy.cli.main import main; code = main(); print(*sys.modules); sys.exit(code)")
FOR_SOME_ONLY = {
    "cryptography", "difflib", "frozenlist._frozenlist", "jsonschema", "jwt", "multiprocessing", "opentelemetry", "prometheus_client",
    "redis", "sqlite3", "proxy.admin.authzen", "proxy.admin.plan_api", "proxy.analysis.readiness", "proxy.catalogs.diff",
    "proxy.cli.commands", "proxy.cli.crewing", "proxy.decision.asking", "proxy.gateways.server", "proxy.reports.documents",
    "proxy.reports.forms", "proxy.simulators", "proxy.stores.embedded", "proxy.stores.shared", "proxy.telemetry.ocsf",
    "proxy.telemetry.page", "proxy.vendors.eightbyeight", "proxy.vendors.generic", "proxy.vendors.newvoicemedia", "proxy.workers",
}  # fmt: skip
MOST_MODULES = 660
"""A little more than a start of the smallest configuration imports."""


async def imported(configuration: Path, *arguments: str) -> set[str]:
    """Serve until it is ready, then end; return the names of all modules that were imported."""
    async with serving(configuration, *arguments, command=TELLING, patience_s=50.0) as running:
        running.send(signal.SIGTERM)
        code, output, _ = await running.end()
    assert code == 0
    return set(output.split())


async def test_a_small_configuration_imports_nothing_that_only_others_need(configured: WriteConfiguration) -> None:
    modules = await imported(configured())
    assert "proxy.wire.listener" in modules
    assert not modules & FOR_SOME_ONLY
    assert len(modules) < MOST_MODULES


async def test_a_vendor_with_a_private_authority_needs_no_more(configured: WriteConfiguration, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    modules = await imported(configured("https://localhost:1", keys="ca_file: ca.pem"))
    assert not modules & FOR_SOME_ONLY


async def test_whoever_keeps_a_store_imports_what_it_needs(configured: WriteConfiguration) -> None:
    modules = await imported(configured(more="state: {path: state.db}"))
    assert {"cryptography", "sqlite3", "proxy.stores.embedded"} <= modules
    assert "jwt" not in modules
    assert "proxy.stores.shared" not in modules


async def test_whoever_has_workers_imports_what_they_need(configured: WriteConfiguration) -> None:
    modules = await imported(configured(), "--workers", "2")
    assert {"proxy.cli.crewing", "proxy.workers.supervisor"} <= modules
    assert not modules & {"cryptography", "difflib", "frozenlist._frozenlist", "prometheus_client", "sqlite3"}
