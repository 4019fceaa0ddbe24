"""TLS: `certificates` (contexts that follow their files), `secure_transport` (OpenSSL over a connection), `handshakes` (accepting)."""
