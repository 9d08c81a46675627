"""What the process says of itself: JSON logs with secrets masked, and counters for Prometheus."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram

Mask = Callable[[Any], Any]
"""Takes data apart and gives it back without anything secret; `soar.connector` has the one in use."""

DELIVERIES: Final = Counter("soar_deliveries", "Webhook deliveries by what became of them.", ["source", "outcome"])
DELIVERY_SECONDS: Final = Histogram(
    "soar_delivery_seconds",
    "From the first byte of a delivery to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
ALERTS: Final = Counter("soar_alerts", "Alerts by what became of them.", ["source", "outcome"])
FIELDS_UNREAD: Final = Counter(
    "soar_alert_fields_unread", "Mapping expressions that gave an error; the field stayed empty.", ["source", "field"]
)
MATCH_ERRORS: Final = Counter("soar_match_errors", "Triggers that gave an error instead of an answer.", ["playbook"])
CIRCUIT_OPEN: Final = Gauge("soar_circuit_open", "1 while a connection is left alone after failures.", ["connection"])

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_PATH_TOKEN: Final = re.compile(r"(/webhooks/[^/?\s\"]+/)[^\s\"]+")


def configure_logging(mask: Mask | None = None, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs, those of libraries too, through one chain: one JSON object a line, masked last."""
    hide = mask or _unmasked
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*chain, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Masking(hide),
                structlog.processors.JSONRenderer(serializer=_line),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every request at info, with its whole URL
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells every bell
    hide_path_tokens()


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event and its facts: `log.info("alert kept", source=...)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def hide_path_tokens() -> None:
    """Keep the token of a `path-token` source out of uvicorn's access log, whoever set that log up."""
    access = logging.getLogger("uvicorn.access")
    if not any(isinstance(present, _PathTokens) for present in access.filters):
        access.addFilter(_PathTokens())


class _PathTokens(logging.Filter):
    """Rewrites `/webhooks/<source>/<token>` in a record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_token(part) if isinstance(part, str) else part for part in record.args)
        record.msg = _without_token(record.msg) if isinstance(record.msg, str) else record.msg
        return True


def _without_token(text: str) -> str:
    return _PATH_TOKEN.sub(r"\1***", text)


class _Masking:
    """The last step before a line is written, so that nothing gets around it."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        masked: MutableMapping[str, Any] = self._mask(
            {key: _without_token(value) if isinstance(value, str) else value for key, value in event.items()}
        )
        return masked


def _unmasked(data: Any) -> Any:
    return data


def _line(event: Any, **_: Any) -> str:
    """One line of JSON; what JSON cannot hold is written as text, for a log line must never be an error."""
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        return json.dumps(event, default=repr, skipkeys=True)
