"""The settings of one installation: `soar.yaml`, and `SOAR_*` of the environment over it."""

from soar.config.document import Document, read_document
from soar.config.faults import Faults
from soar.config.load import load_settings
from soar.config.settings import (
    AuthSettings,
    CircuitSettings,
    ConnectionSettings,
    EgressSettings,
    ExecutionSettings,
    LimitSettings,
    PersonSettings,
    RateLimit,
    Settings,
    SourceSettings,
    duration,
)

__all__ = [
    "AuthSettings",
    "CircuitSettings",
    "ConnectionSettings",
    "Document",
    "EgressSettings",
    "ExecutionSettings",
    "Faults",
    "LimitSettings",
    "PersonSettings",
    "RateLimit",
    "Settings",
    "SourceSettings",
    "duration",
    "load_settings",
    "read_document",
]
