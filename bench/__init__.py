"""Measurements and comparisons, each run by a target of the Makefile."""
