"""Regular expressions on RE2: time in proportion to the text (no look-around, no back-references)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from soar.errors import ExpressionFailed

_options = re2.Options()
_options.log_errors = False


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern, ready to search.

    Raises:
        ExpressionFailed: RE2 cannot read it; the message says what it cannot read.
    """
    try:
        return re2.compile(pattern, _options)
    except re2.error as error:
        raise ExpressionFailed(f"{pattern!r} is no pattern RE2 can read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
