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
from soar.connector.channel import AnsweringChannel, Channel, Take
from soar.connector.dial import dial
from soar.connector.targets import ClientTarget, NetworkTarget
from soar.errors import ConfigError, DeliveryMalformed, OutcomeUnknown, Refused, SignatureInvalid, Unavailable
from soar.model.notice import Interaction, Notice, NoticeItem, Place

__all__ = [
    "AnsweringChannel",
    "Call",
    "Channel",
    "ClientTarget",
    "ConfigError",
    "Connector",
    "DeliveryMalformed",
    "Health",
    "HttpConnector",
    "HttpSettings",
    "Interaction",
    "NetworkTarget",
    "Notice",
    "NoticeItem",
    "OutcomeUnknown",
    "Params",
    "Place",
    "Refused",
    "Reply",
    "Result",
    "Settings",
    "SignatureInvalid",
    "Take",
    "Unavailable",
    "action",
    "dial",
]
