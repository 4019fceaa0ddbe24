"""Two rows of the dashboard for operations: what keeps and logs, and the program itself."""

from __future__ import annotations

from typing import Final

from tools.dashboards.panels import AT, COLOURS, Kind, Panel, Query, Row, Value, at, grown, rate, total

UP: Final = {0: Value("down", COLOURS["broken"]), 1: Value("up", COLOURS["passed"])}
_GOOD_FROM_ONE: Final = ((0.0, COLOURS["broken"]), (1.0, COLOURS["passed"]))
_BAD_FROM_ONE: Final = ((0.0, COLOURS["passed"]), (1.0, COLOURS["broken"]))
OURS: Final = "and on (job, instance) scopegate_build_info"
"""Keeps processes of other programs out."""


def _own(metric: str) -> str:
    return f"{metric}{{{AT}}} {OURS}"


def _with_version(series: str) -> str:
    named = (
        "* on (job, instance) group_left (version) scopegate_build_info * on (job, instance) group_left (revision) scopegate_config_info"
    )
    return f"max by (instance, version, revision) ({series} {named})"


STORES: Final = Row(
    "Stores and logs",
    (
        Panel(
            "Stores",
            "Whether the store, the audit log and the store shared by replicas can be written, at every chosen proxy that has them.",
            "short",
            (
                Query(f"min(scopegate_store_up{{{AT}}})", "store"),
                Query(f"min(scopegate_audit_up{{{AT}}})", "audit log"),
                Query(f"min(scopegate_shared_store_up{{{AT}}})", "shared store"),
            ),
            Kind.STATES,
            values=UP,
            steps=_GOOD_FROM_ONE,
        ),
        Panel(
            "Not written yet",
            "Changes and events that wait to be written or shared. Lines that only rise mean a disk or a store that is too slow or away.",
            "short",
            (
                Query(f"sum(scopegate_store_queue_length{{{AT}}})", "store"),
                Query(f"sum(scopegate_audit_queue_length{{{AT}}})", "audit log"),
                Query(f"sum(scopegate_shared_store_queue_length{{{AT}}})", "shared store"),
            ),
        ),
        Panel(
            "Lost records",
            "Records that were given up in the time range. `recorder` names what could not take note of a request. All should be 0.",
            "short",
            (
                Query(f"sum({grown('scopegate_audit_events_total', at(result='!=written'))})", "audit events"),
                Query(f"sum({grown('scopegate_log_lines_dropped_total', AT)})", "log lines"),
                Query(total("recorder", grown("scopegate_recorder_errors_total", AT)), "recorder {{recorder}}"),
                Query(f"sum({grown('scopegate_store_writes_total', at(result='failed'))})", "failed writes"),
            ),
            Kind.BARS,
            last=True,
            decimals=0,
            steps=_BAD_FROM_ONE,
        ),
        Panel(
            "Size of the store",
            "Bytes of the database that are in use.",
            "bytes",
            (Query(f"scopegate_store_bytes{{{AT}}}", "{{instance}}"),),
        ),
        Panel(
            "Rows in the store",
            "What the store holds, by kind: knowledge about tokens (`grant`), usage, scores, proposals and more.",
            "short",
            (Query(f"max by (kind) (scopegate_store_rows{{{AT}}})", "{{kind}}"),),
        ),
        Panel(
            "Audit events",
            "Events written to the audit log. One for each decision.",
            "ops",
            (Query(total("result", rate("scopegate_audit_events_total", AT)), "{{result}}"),),
            colours={"written": COLOURS["passed"], "dropped": COLOURS["broken"], "failed": COLOURS["own fault"]},
        ),
    ),
)

PROGRAM: Final = Row(
    "The program",
    (
        Panel(
            "Memory",
            "Resident memory; with workers, of the supervisor.",
            "bytes",
            (Query(_own("process_resident_memory_bytes"), "{{instance}}"),),
            width=6,
        ),
        Panel(
            "CPU",
            "Cores in use; with workers, by the supervisor.",
            "suffix: cores",
            (Query(f"rate(process_cpu_seconds_total{{{AT}}}[$__rate_interval]) {OURS}", "{{instance}}"),),
            decimals=2,
            width=6,
        ),
        Panel(
            "Connections of the apps",
            "Open connections, and how many were closed without an answer because there were too many.",
            "short",
            (
                Query(f"scopegate_connections{{{AT}}}", "{{instance}} open"),
                Query(f"rate(scopegate_connections_dropped_total{{{AT}}}[$__rate_interval])", "{{instance}} turned away per second"),
            ),
            width=6,
        ),
        Panel(
            "File descriptors",
            "Share of the file descriptors that are in use.",
            "percentunit",
            (Query(f"process_open_fds{{{AT}}} / process_max_fds{{{AT}}} {OURS}", "{{instance}}"),),
            maximum=1,
            width=6,
        ),
        Panel(
            "TLS handshakes",
            "Handshakes by how they ended. Only with TLS.",
            "ops",
            (Query(f"{total('result', rate('scopegate_tls_handshakes_total', AT))} > 0", "{{result}}"),),
            colours={"ok": COLOURS["passed"]},
        ),
        Panel(
            "Certificates",
            "When the certificates in use end. Only with TLS. "
            "Usable: whether the files on disk are those in use (1) or cannot be used (0).",
            "none",
            (
                Query(
                    f"min by (instance, which) (scopegate_tls_certificate_expiry_timestamp_seconds{{{AT}}}) * 1000",
                    "Ends",
                    "dateTimeFromNow",
                ),
                Query(f"min by (instance, which) (scopegate_tls_files_usable{{{AT}}})", "Usable"),
            ),
            Kind.TABLE,
            labels=("instance", "which"),
        ),
        Panel(
            "Room on the metrics page",
            "Series on the page, and combinations of label values that are counted apart, each as a share of the most there can be. "
            "Beyond the combinations, new ones are counted as operation `unknown` and without scopes.",
            "percentunit",
            (
                Query(f"scopegate_series{{{AT}}} / scopegate_series_limit{{{AT}}}", "{{instance}} series"),
                Query(f"scopegate_label_combinations{{{AT}}} / scopegate_label_combinations_limit{{{AT}}}", "{{instance}} combinations"),
            ),
            maximum=1,
        ),
        Panel(
            "Workers",
            "Whether each worker serves. Only with more than one.",
            "short",
            (Query(f"scopegate_worker_up{{{AT}}}", "{{instance}} worker {{worker}}"),),
            Kind.STATES,
            values=UP,
            steps=_GOOD_FROM_ONE,
            width=12,
        ),
        Panel(
            "Troubles of the program",
            "In the time range: exceptions that are Scopegate's own fault, configurations that could not be loaded, "
            "workers that had to be replaced, circuits that opened, "
            "requests to the admin listener without a valid token.",
            "short",
            (
                Query(f"sum({grown('scopegate_bugs_total', AT)})", "bugs"),
                Query(f"sum({grown('scopegate_config_reloads_total', at(result='failed'))})", "wrong configurations"),
                Query(f"sum({grown('scopegate_worker_restarts_total', AT)})", "workers replaced"),
                Query(f"sum({grown('scopegate_circuit_opened_total')})", "circuits opened"),
                Query(f"sum({grown('scopegate_admin_refused_total', AT)})", "refused at the admin listener"),
            ),
            Kind.BARS,
            last=True,
            decimals=0,
            steps=((0.0, COLOURS["passed"]), (1.0, COLOURS["limit"])),
            width=12,
        ),
        Panel(
            "Versions and configuration",
            "What runs where, whether the last attempt to load the configuration worked (1) or left the last good one in force (0), "
            "and when the files were last found right. Proxies with the same revision have the same configuration.",
            "none",
            (
                Query(_with_version(f"scopegate_config_last_reload_successful{{{AT}}}"), "Last load"),
                Query(
                    _with_version(f"1000 * scopegate_config_last_reload_success_timestamp_seconds{{{AT}}}"),
                    "Found right",
                    "dateTimeFromNow",
                ),
            ),
            Kind.TABLE,
            labels=("instance", "version", "revision"),
            width=24,
            height=5,
        ),
    ),
)
