"""Recorders: each is handed the one frozen `Exchange` of a request and does its own small thing with it."""
