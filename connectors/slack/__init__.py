"""Slack, through its Web API."""
