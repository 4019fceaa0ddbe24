"""TLS: `certificates` (contexts that follow their files) and `handshakes` (accepting, in time and counted)."""
