"""The byte path: an HTTP/1.1 server and an upstream client on asyncio protocols, parsed by llhttp.

Read in this order: `limits` (bounds), `heads` (how heads are written), `sockets`, `downstream` (one client connection),
`turn` (one request and its answer), `channel`, `pool` and `dialling` (the way to a vendor), `upstream` (one vendor connection),
`listener` (accepting, timing out, draining).

Callbacks only: no task and no future per request, except while a new vendor connection is dialled.
"""
