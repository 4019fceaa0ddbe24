"""The metrics of the byte path: connections on both sides, requests under way, circuits."""

from __future__ import annotations

from proxy.telemetry.labels import Reading, Values
from proxy.wire.channel import budget_readings, circuit_readings
from proxy.wire.listener import Listener


def listener_readings(listener: Listener) -> tuple[Reading, ...]:
    """Return the metrics of a listener and of its service's ways to the vendors."""
    dropped = "Connections that were closed without an answer because there were far too many."
    upstream = "Connections to a vendor, by state."
    waiting = "Requests that wait for a place among those in flight to a vendor."
    spliced = "Bytes of long answers that went from socket to socket inside the kernel."
    in_flight = "Requests in flight to a vendor."
    return (
        Reading("scopegate_connections", "Open connections of apps.", lambda: {(): listener.connection_count}),
        Reading("scopegate_connections_accepted_total", "Connections accepted.", lambda: {(): listener.accepted}, counter=True),
        Reading("scopegate_connections_dropped_total", dropped, lambda: {(): listener.dropped}, counter=True),
        Reading("scopegate_upstream_connections", upstream, lambda: _upstream_connections(listener), ("vendor", "state")),
        Reading("scopegate_requests_in_flight", in_flight, lambda: _by_vendor(listener, "in_flight"), ("vendor",)),
        Reading("scopegate_requests_waiting", waiting, lambda: _by_vendor(listener, "waiting"), ("vendor",)),
        Reading("scopegate_spliced_bytes_total", spliced, lambda: _spliced_bytes(listener), ("vendor",), counter=True),
        *circuit_readings(lambda: listener.service.channels),
        *budget_readings(lambda: listener.service.channels, listener.service.loop.time),
    )


def _upstream_connections(listener: Listener) -> Values:
    values: dict[tuple[str, ...], float] = {}
    for name, channel in listener.service.channels.items():
        idle = sum(pool.idle_count for pool in channel.pools.values())
        values[name, "idle"] = idle
        values[name, "busy"] = sum(pool.open_count for pool in channel.pools.values()) - idle
    return values


def _spliced_bytes(listener: Listener) -> Values:
    channels = listener.service.channels
    return {(name,): sum(pool.spliced_bytes for pool in channel.pools.values()) for name, channel in channels.items()}


def _by_vendor(listener: Listener, attribute: str) -> Values:
    return {(name,): getattr(channel, attribute) for name, channel in listener.service.channels.items()}
