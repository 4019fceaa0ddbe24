"""HTTP as this proxy reads and writes it, without a socket. Pure; `proxy.wire` moves the bytes.

Read `targets` (one path, one meaning), `headers` (of requests), `response_headers`, `links` and `bodies`; then `identifiers` and
`trace_context`, by which a request is known.
"""
