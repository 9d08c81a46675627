"""All a connector may import. See docs/connectors.md for a connector written from nothing."""

from __future__ import annotations

from soar.connector.answers import Reply
from soar.connector.base import (
    Call,
    Connector,
    Health,
    HttpConnector,
    HttpSettings,
    Params,
    Result,
    Settings,
    action,
)
from soar.connector.targets import ClientTarget, NetworkTarget
from soar.errors import OutcomeUnknown, Refused, Unavailable

__all__ = [
    "Call",
    "ClientTarget",
    "Connector",
    "Health",
    "HttpConnector",
    "HttpSettings",
    "NetworkTarget",
    "OutcomeUnknown",
    "Params",
    "Refused",
    "Reply",
    "Result",
    "Settings",
    "Unavailable",
    "action",
]
