"""Connectors that ship with the engine: one folder for each system we act on or hear from."""
