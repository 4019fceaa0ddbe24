"""YAML and environment → frozen settings, catalogue files → compiled catalogues. The only users of pydantic.

Read `schema.py` (every setting), then `load.py` (how a file becomes a `Loaded`).
"""

from proxy.settings.allow_schema import AllowSettings
from proxy.settings.allowing import allowances, implications
from proxy.settings.catalog_build import CatalogSource, read_catalog
from proxy.settings.checks import GATEWAYS_NEED_ONE_PROCESS, OPEN_ADMIN
from proxy.settings.difference import difference
from proxy.settings.extras import with_extras
from proxy.settings.identity_schema import IssuerSettings
from proxy.settings.json_schema import json_schema
from proxy.settings.lint import LintFinding, Severity, lint_catalog, lint_catalog_file
from proxy.settings.load import Loaded, builtin_config_directory, load_catalog, load_settings, parse_settings
from proxy.settings.problems import KeyPath, Position, Problem, Problems, collect, dotted
from proxy.settings.reading import Copies, Disk, stamp_of
from proxy.settings.restarts import AT_START, LIVE, NEEDS_RESTART, needs_restart
from proxy.settings.schema import (
    ANONYMOUS,
    DEFAULT_RETENTION_DAYS,
    AdminSettings,
    ClientSettings,
    LimitSettings,
    LogSettings,
    ReadinessSettings,
    Settings,
    StateSettings,
    TlsSettings,
    with_overrides,
)
from proxy.settings.series import largest_series_count
from proxy.settings.tls import ADMIN, TRAFFIC, server_tls, upstream_tls
from proxy.settings.tracing_schema import TracingSettings
from proxy.settings.values import Address, Origin, parse_address, parse_origin
from proxy.settings.vendor_schema import KINDS, GrantSettings, MountSettings, TimeoutSettings, VendorSettings, VerifySettings

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "AT_START",
    "DEFAULT_RETENTION_DAYS",
    "GATEWAYS_NEED_ONE_PROCESS",
    "KINDS",
    "LIVE",
    "NEEDS_RESTART",
    "OPEN_ADMIN",
    "TRAFFIC",
    "Address",
    "AdminSettings",
    "AllowSettings",
    "CatalogSource",
    "ClientSettings",
    "Copies",
    "Disk",
    "GrantSettings",
    "IssuerSettings",
    "KeyPath",
    "LimitSettings",
    "LintFinding",
    "Loaded",
    "LogSettings",
    "MountSettings",
    "Origin",
    "Position",
    "Problem",
    "Problems",
    "ReadinessSettings",
    "Settings",
    "Severity",
    "StateSettings",
    "TimeoutSettings",
    "TlsSettings",
    "TracingSettings",
    "VendorSettings",
    "VerifySettings",
    "allowances",
    "builtin_config_directory",
    "collect",
    "difference",
    "dotted",
    "implications",
    "json_schema",
    "largest_series_count",
    "lint_catalog",
    "lint_catalog_file",
    "load_catalog",
    "load_settings",
    "needs_restart",
    "parse_address",
    "parse_origin",
    "parse_settings",
    "read_catalog",
    "server_tls",
    "stamp_of",
    "upstream_tls",
    "with_extras",
    "with_overrides",
]
