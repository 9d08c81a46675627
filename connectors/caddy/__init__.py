"""Caddy, through its JSON admin API."""
