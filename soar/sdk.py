"""All a connector may import. See docs/connectors.md for a connector written from nothing."""

from __future__ import annotations

from soar.connector.base import Call, Connector, Health, HttpConnector, Params, Result, Settings, action
from soar.errors import OutcomeUnknown, Refused, Unavailable

__all__ = [
    "Call",
    "Connector",
    "Health",
    "HttpConnector",
    "OutcomeUnknown",
    "Params",
    "Refused",
    "Result",
    "Settings",
    "Unavailable",
    "action",
]
