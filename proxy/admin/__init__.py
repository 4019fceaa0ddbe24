"""The admin listener: health, metrics and what the proxy knows, for operators; never on the traffic listener."""
