"""Recorders: each is handed the one frozen `Exchange` of a request and does its own small thing with it.

Read `exchange`, then `recorders`. The decision log: `decision_log`, `log_members` (what a line says), `json_lines`, `text_lines`.
Metrics: `families` (the rules), `labels`, `metrics`, `exposition`. The audit log: `ocsf`, `audit_writer`, `audit_files`, `audit_places`,
`chain`. Spans: `spans`, `otlp`.
"""
