"""Scopegate: an authorizing reverse proxy for telephony APIs."""

__version__ = "0.1.0"
