"""Two rows of the dashboard for operations: what keeps and logs, and the program itself."""

from __future__ import annotations

from typing import Final

from tools.dashboards.building import (
    BAD_FROM_ONE,
    DOUBTFUL_FROM_ONE,
    HALF,
    UP,
    any_of,
    bars,
    each,
    lines,
    most,
    painted,
    shares,
    states,
    table,
)
from tools.dashboards.panels import AT, COLUMNS, Query, Row, at, grown, rate

QUARTER: Final = 6
OURS: Final = "and on (job, instance) scopegate_build_info"
"""Keeps processes of other programs out."""
ENDS: Final = f"min by (instance, which) (scopegate_tls_certificate_expiry_timestamp_seconds{{{AT}}}) * 1000"


def _with_version(series: str) -> str:
    named = (
        "* on (job, instance) group_left (version) scopegate_build_info * on (job, instance) group_left (revision) scopegate_config_info"
    )
    return f"max by (instance, version, revision) ({series} {named})"


def _least(metric: str, name: str) -> Query:
    return Query(f"min({metric}{{{AT}}})", name)


def _sum(metric: str, name: str) -> Query:
    return Query(f"sum({metric}{{{AT}}})", name)


def _grew(metric: str, name: str, where: str = AT) -> Query:
    return Query(f"sum({grown(metric, where)})", name)


STORES: Final = Row(
    "Stores and logs",
    (
        states(
            "Stores",
            "Whether the store, the audit log and the store shared by replicas can be written, at every chosen proxy that has them.",
            UP,
            _least("scopegate_store_up", "store"),
            _least("scopegate_audit_up", "audit log"),
            _least("scopegate_shared_store_up", "shared store"),
        ),
        lines(
            "Not written yet",
            "Changes and events that wait to be written or shared. Lines that only rise mean a disk or a store that is too slow or away.",
            "short",
            _sum("scopegate_store_queue_length", "store"),
            _sum("scopegate_audit_queue_length", "audit log"),
            _sum("scopegate_shared_store_queue_length", "shared store"),
        ),
        bars(
            "Lost records",
            "Records that were given up in the time range. `recorder` names what could not take note of a request. All should be 0.",
            BAD_FROM_ONE,
            _grew("scopegate_audit_events_total", "audit events", at(result="!=written")),
            _grew("scopegate_log_lines_dropped_total", "log lines"),
            Query(f"sum by (recorder) ({grown('scopegate_recorder_errors_total', AT)})", "recorder {{recorder}}"),
            _grew("scopegate_store_writes_total", "failed writes", at(result="failed")),
        ),
        lines(
            "Size of the store",
            "Bytes of the database that are in use.",
            "bytes",
            Query(f"scopegate_store_bytes{{{AT}}}", "{{instance}}"),
        ),
        lines(
            "Rows in the store",
            "What the store holds, by kind: knowledge about tokens (`grant`), usage, scores, proposals and more.",
            "short",
            most("kind", f"scopegate_store_rows{{{AT}}}"),
        ),
        lines(
            "Audit events",
            "Events written to the audit log. One for each decision.",
            "ops",
            each("result", rate("scopegate_audit_events_total", AT)),
            colours=painted({"written": "passed", "dropped": "broken", "failed": "own fault"}),
        ),
    ),
)

PROGRAM: Final = Row(
    "The program",
    (
        lines(
            "Memory",
            "Resident memory; with workers, of the supervisor.",
            "bytes",
            Query(f"process_resident_memory_bytes{{{AT}}} {OURS}", "{{instance}}"),
            width=QUARTER,
        ),
        lines(
            "CPU",
            "Cores in use; with workers, by the supervisor.",
            "suffix: cores",
            Query(f"{rate('process_cpu_seconds_total', AT)} {OURS}", "{{instance}}"),
            width=QUARTER,
            decimals=2,
        ),
        lines(
            "Connections of the apps",
            "Open connections, and how many were closed without an answer because there were too many.",
            "short",
            Query(f"scopegate_connections{{{AT}}}", "{{instance}} open"),
            Query(rate("scopegate_connections_dropped_total", AT), "{{instance}} turned away per second"),
            width=QUARTER,
        ),
        shares(
            "File descriptors",
            "Share of the file descriptors that are in use.",
            Query(f"process_open_fds{{{AT}}} / process_max_fds{{{AT}}} {OURS}", "{{instance}}"),
            width=QUARTER,
        ),
        lines(
            "TLS handshakes",
            "Handshakes by how they ended. Only with TLS.",
            "ops",
            any_of(each("result", rate("scopegate_tls_handshakes_total", AT))),
            colours=painted({"ok": "passed"}),
        ),
        table(
            "Certificates",
            "When the certificates in use end. Only with TLS. "
            "Usable: whether the files on disk are those in use (1) or cannot be used (0).",
            "instance, which",
            Query(ENDS, "Ends", "dateTimeFromNow"),
            Query(f"min by (instance, which) (scopegate_tls_files_usable{{{AT}}})", "Usable"),
            width=8,
        ),
        shares(
            "Room on the metrics page",
            "Series on the page, and combinations of label values that are counted apart, each as a share of the most there can be. "
            "Beyond the combinations, new ones are counted as operation `unknown` and without scopes.",
            Query(f"scopegate_series{{{AT}}} / scopegate_series_limit{{{AT}}}", "{{instance}} series"),
            Query(f"scopegate_label_combinations{{{AT}}} / scopegate_label_combinations_limit{{{AT}}}", "{{instance}} combinations"),
        ),
        states(
            "Workers",
            "Whether each worker serves. Only with more than one.",
            UP,
            Query(f"scopegate_worker_up{{{AT}}}", "{{instance}} worker {{worker}}"),
            width=HALF,
        ),
        bars(
            "Troubles of the program",
            "In the time range: exceptions that are Scopegate's own fault, configurations that could not be loaded, "
            "workers that had to be replaced, circuits that opened, "
            "requests to the admin listener without a valid token.",
            DOUBTFUL_FROM_ONE,
            _grew("scopegate_bugs_total", "bugs"),
            _grew("scopegate_config_reloads_total", "wrong configurations", at(result="failed")),
            _grew("scopegate_worker_restarts_total", "workers replaced"),
            Query(f"sum({grown('scopegate_circuit_opened_total')})", "circuits opened"),
            _grew("scopegate_admin_refused_total", "refused at the admin listener"),
            width=HALF,
        ),
        table(
            "Versions and configuration",
            "What runs where, whether the last attempt to load the configuration worked (1) or left the last good one in force (0), "
            "and when the files were last found right. Proxies with the same revision have the same configuration.",
            "instance, version, revision",
            Query(_with_version(f"scopegate_config_last_reload_successful{{{AT}}}"), "Last load"),
            Query(
                _with_version(f"1000 * scopegate_config_last_reload_success_timestamp_seconds{{{AT}}}"), "Found right", "dateTimeFromNow"
            ),
            width=COLUMNS,
            height=5,
        ),
    ),
)
