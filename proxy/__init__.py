"""Scopegate: an authorizing reverse proxy for telephony APIs.

Read `model` (the words), `prediction` and `policy` (the two questions), `decision` (one request), then `wire` (its bytes), and `app` (how
all is put together). The whole way of a request and what each room is for: docs/explanation/architecture.md.
"""

__version__ = "0.1.0"
