"""Scopegate beside its peers, measured in one interleaved run: CPU, latency, streaming, memory. Run `make bench`."""
